import type { Reply } from './admin-reply.ts';
import type { AdminSources } from './status.ts';
import { MOST_BLOCKED } from './status-blocked.ts';
import { renderStatusPage, STATUS_PAGE_CSP } from './status-page.ts';
import { STATUS_SCRIPT } from './status-script.ts';
import { MOST_CONNECTIONS } from './status-section.ts';
import { STATUS_STYLE } from './status-style.ts';

export const STATUS_STYLE_REPLY: Reply = { status: 200, type: 'text/css; charset=utf-8', body: STATUS_STYLE };
export const STATUS_SCRIPT_REPLY: Reply = { status: 200, type: 'text/javascript; charset=utf-8', body: STATUS_SCRIPT };

export async function replyPage(sources: AdminSources): Promise<Reply> {
  const connections = await sources.control.connections(MOST_CONNECTIONS);
  return {
    status: 200,
    type: 'text/html; charset=utf-8',
    body: renderStatusPage(sources.status(), connections, sources.control.blockedReport(MOST_BLOCKED)),
    headers: { 'Content-Security-Policy': STATUS_PAGE_CSP },
  };
}
