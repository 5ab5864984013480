import { judgeResult, type ModResult } from './exchange.ts';
import type { ModMethod, StatusAdvice } from './profile.ts';
import type { Reply } from './reply.ts';
import { statusAdvice } from './report.ts';
import type { Finding } from './survey-report.ts';

/** RFC 3507 4.7: at most 32 bytes between the quotes; nobody fails over a longer one. */
const QUOTED_ISTAG = /^"[^"]*"$/;

/** How it was asked. */
export interface Asked {
  readonly method: ModMethod;
  /** What the profile knows of statuses. */
  readonly advice: StatusAdvice;
}

/** What became of a document that nobody should object to. */
export function harmlessFinding(asked: Asked, result: ModResult, sizeBytes: number): Finding {
  const { status, reason } = result.reply.head;
  const { verdict, threat } = judgeResult(asked.method, result);
  if (verdict === 'error') return failed(`ICAP ${status} ${reason}: ${statusAdvice(status, asked.advice)}`, status);
  if (verdict === 'blocked')
    return no(`blocks a harmless document${threat === undefined ? '' : ` as ${threat}`}`, status);
  if (result.bodyChanged === true) {
    return failed(`the body came back changed: ${sizeBytes} bytes sent, ${result.reply.bodyBytes} received`, status);
  }
  if (status === 204) return yes('204, left alone', status);
  // c-icap's Allow204As200okZeroEncaps; squid takes it for an error.
  if (isHollow(result.reply)) return failed(`${status} with nothing in it: few clients take that for a 204`, status);
  return yes(verdict === 'modified' ? `${status}, back with other headers` : `${status}, back unchanged`, status);
}

/** The same, where the request did not allow a 204. */
export function wholeFinding(asked: Asked, result: ModResult, sizeBytes: number): Finding {
  // RFC 3507 4.6: outside of a preview a 204 is for clients that said Allow: 204.
  if (result.reply.head.status === 204) return failed('204, which the request did not allow', 204);
  return harmlessFinding(asked, result, sizeBytes);
}

/** The same, after a preview of which `isAll` was said, or not. */
export function previewFinding(asked: Asked, result: ModResult, sizeBytes: number, isAll: boolean): Finding {
  const finding = harmlessFinding(asked, result, sizeBytes);
  if (finding.result !== 'yes') return finding;
  if (isAll && !result.endedInPreview) return failed('asks for more (100) after all there was (ieof)', 100);
  const how = result.endedInPreview ? (isAll ? '' : 'after the preview alone: ') : '100, then ';
  return { ...finding, detail: how + finding.detail };
}

/** What became of the EICAR test string. */
export function eicarFinding(asked: Asked, result: ModResult): Finding {
  const { status, reason } = result.reply.head;
  const { verdict, threat, httpStatus } = judgeResult(asked.method, result);
  switch (verdict) {
    case 'error':
      return failed(`ICAP ${status} ${reason}: ${statusAdvice(status, asked.advice)}`, status);
    case 'allowed':
      return no('passes: no virus scanner, or not for this', status);
    case 'modified':
      return yes(`${status}, something else came back`, status);
    case 'blocked':
      return yes(`blocked${threat === undefined ? '' : ` as ${threat}`}, HTTP ${httpStatus ?? 'unchanged'}`, status);
  }
}

/** Whether the tag that caches live by is there, and in its quotes. */
export function istagFinding({ head }: Reply, istag: string | undefined): Finding {
  if (istag === undefined) return failed('missing: caches would keep old verdicts', head.status);
  return QUOTED_ISTAG.test(istag) ? yes(istag, head.status) : no(`${istag}, without its quotes`, head.status);
}

function isHollow({ head, sections }: Reply): boolean {
  return head.encapsulated.body === 'null-body' && sections.every(({ bytes }) => bytes.length === 0);
}

export function yes(detail: string, icapStatus: number | undefined): Finding {
  return { result: 'yes', detail, icapStatus };
}

export function no(detail: string, icapStatus: number | undefined): Finding {
  return { result: 'no', detail, icapStatus };
}

export function failed(detail: string, icapStatus: number | undefined): Finding {
  return { result: 'failed', detail, icapStatus };
}
