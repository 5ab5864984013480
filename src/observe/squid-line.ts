import type { IcapAccess } from './access-record.ts';
import { withoutCredentials } from './redaction.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const MAX_COLUMN_LENGTH = 2048;

/**
 * One transaction as squid would write it, with the gateway's backend for its ICAP server:
 *
 *     %tl %6tr %rm %ru %rp %6icap::tr %>a %icap::to/%03icap::Hs %icap::rm %icap::ru %un %icap::<A
 *     %icap::<st %icap::>st %icap::<bs %icap::>h %icap::<h %icap::tr %icap::tio
 */
export function squidLine(access: IcapAccess): string {
  const [method, url] = httpRequest(access.http);
  const ms = String(access.ms);
  return [
    localTime(new Date(access.timeMs)),
    ms.padStart(6),
    column(method),
    column(url),
    column(pathOf(url)),
    ms.padStart(6),
    column(access.clientIp ?? hostOf(access.client)),
    `${outcomeOf(access)}/${String(access.status ?? 0).padStart(3, '0')}`,
    column(access.method),
    column(withoutCredentials(access.path)),
    column(access.user),
    column(access.backend),
    access.bytesOut,
    access.bytesIn,
    access.squid?.responseBodyBytes ?? '-',
    column(access.squid?.requestHeaders),
    column(access.squid?.responseHeaders),
    ms,
    ms,
  ].join(' ');
}

function outcomeOf({ method, status, verdict }: IcapAccess): string {
  if (status === undefined || verdict === 'error' || verdict === 'aborted') return 'ICAP_ERR_OTHER';
  if (method === 'OPTIONS') return 'ICAP_OPT';
  if (status === 204) return 'ICAP_ECHO';
  if (status === 206) return 'ICAP_PART_ECHO';
  // Squid's word for a request that is answered instead of passed on.
  return method === 'REQMOD' && verdict === 'blocked' ? 'ICAP_SAT' : 'ICAP_MOD';
}

function httpRequest(http: string | undefined): readonly [method: string | undefined, url: string | undefined] {
  if (http === undefined) return [undefined, undefined];
  const shown = withoutCredentials(http);
  const space = shown.indexOf(' ');
  return space === -1 ? [shown, undefined] : [shown.slice(0, space), shown.slice(space + 1)];
}

function pathOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/i.exec(url)?.[1] || url;
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** One column: never empty, without blanks or anything else that could be taken for the next column or line. */
function column(text: string | undefined): string {
  if (text === undefined || text === '') return '-';
  return encodeURI(text.slice(0, MAX_COLUMN_LENGTH).toWellFormed()).replaceAll('%25', '%');
}

function localTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const offset = -date.getTimezoneOffset();
  const zone = `${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  return `${day}:${time} ${offset < 0 ? '-' : '+'}${zone}`;
}
