import type { IcapAccess } from './access-record.ts';
import { withoutCredentials } from './redaction.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const MAX_COLUMN_LENGTH = 2048;

/** What squid escapes in a column, so that blanks only stand between columns. Escapes that are there already stay. */
const ESCAPED = /[^\x21-\x7e]|[<>"'#{}|\\^~[\]`]/gu;

/** squid 5.7 leaves the backslash of a domain's user as it is. */
const ESCAPED_IN_NAME = /[^\x21-\x7e]|[<>"'#{}|^~[\]`]/gu;

/**
 * One transaction as squid writes it with the `logformat` of Kaspersky's guide for KATA, the backend in place of the
 * server's address:
 *
 *     %tl %6tr %rm %ru %rp %6icap::tr %>a %icap::to/%03icap::Hs %icap::rm %icap::ru %un %icap::<A
 *     %icap::<st %icap::>st %icap::<bs %icap::>h %icap::<h %icap::tr %icap::tio
 */
export function squidLine(access: IcapAccess): string {
  const [method, url] = httpRequest(access.http);
  const { squid } = access;
  return [
    localTime(new Date(access.timeMs)),
    // The time of the HTTP transaction is 0 in squid's lines too: it is not over yet.
    '     0',
    column(method),
    // Squid leaves the query out here (strip_query_terms) and writes it into the next column.
    column(url?.replace(/\?.*/s, '?')),
    column(pathOf(url)),
    String(access.ms).padStart(6),
    column(access.clientIp ?? hostOf(access.client)),
    `${outcomeOf(access)}/${String(access.status ?? 0).padStart(3, '0')}`,
    column(access.method),
    column(withoutCredentials(squid?.uri ?? access.path)),
    column(access.user, ESCAPED_IN_NAME),
    column(access.backend),
    access.bytesOut,
    access.bytesIn,
    squid?.responseBodyBytes ?? '-',
    column(squid?.requestHeaders),
    column(squid?.responseHeaders),
    access.ms,
    access.ms,
  ].join(' ');
}

function outcomeOf({ method, status, verdict, httpStatus, reason }: IcapAccess): string {
  if (verdict === 'aborted') return reason.startsWith('client') ? 'ICAP_ERR_GONE' : 'ICAP_ERR_OTHER';
  if (status === undefined) return 'ICAP_ERR_OTHER';
  if (method === 'OPTIONS') return 'ICAP_OPT';
  if (status === 204) return 'ICAP_ECHO';
  if (status === 206) return 'ICAP_PART_ECHO';
  if (status < 200 || status >= 300) return 'ICAP_ERR_OTHER';
  // A request that was answered instead of passed on.
  return method === 'REQMOD' && httpStatus !== undefined ? 'ICAP_SAT' : 'ICAP_MOD';
}

function httpRequest(http: string | undefined): readonly [method: string | undefined, url: string | undefined] {
  if (http === undefined) return [undefined, undefined];
  const shown = withoutCredentials(http);
  const space = shown.indexOf(' ');
  return space === -1 ? [shown, undefined] : [shown.slice(0, space), shown.slice(space + 1)];
}

function pathOf(url: string | undefined): string | undefined {
  const [whole, path] = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/i.exec(url ?? '') ?? [];
  return whole === undefined ? url : path || '/';
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

function column(text: string | undefined, unwanted: RegExp = ESCAPED): string {
  return text === undefined || text === '' ? '-' : text.slice(0, MAX_COLUMN_LENGTH).replace(unwanted, escaped);
}

/** Text of ICAP has a character for each byte; a decoded user's name may have others. */
function escaped(character: string): string {
  const bytes = Buffer.from(character, character <= '\xff' ? 'latin1' : 'utf8');
  return bytes.toString('hex').toUpperCase().replace(/../g, '%$&');
}

function localTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const offset = -date.getTimezoneOffset();
  const zone = `${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  return `${day}:${time} ${offset < 0 ? '-' : '+'}${zone}`;
}
