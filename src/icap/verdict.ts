import type { HeaderPart, Section } from './encapsulated.ts';
import { fieldValue, type ParsedField } from './field.ts';
import { httpStatus } from './http-head.ts';

export type Verdict = 'allowed' | 'modified' | 'blocked' | 'error';

/** One finished REQMOD or RESPMOD: what was asked and what the server made of it. */
export interface JudgedExchange {
  readonly method: string;
  readonly sent: readonly Section[];
  readonly status: number;
  readonly fields: readonly ParsedField[];
  readonly received: readonly Section[];
  /** Whether the body that came back differs from the one that was sent; undefined where nobody compared them. */
  readonly bodyChanged: boolean | undefined;
}

export interface Judgement {
  readonly verdict: Verdict;
  /** The name the server gave to what it found. */
  readonly threat: string | undefined;
  /** The status inside the HTTP response that came back, if one did. */
  readonly httpStatus: number | undefined;
}

const VIA = /^via:.*\r?\n(?:[ \t].*\r?\n)*/gim;
/** What fields that name a finding hold where there is none. */
const NOTHING_FOUND = new Set(['', '0', 'no', 'none', 'false', 'clean', 'no threats']);

/**
 * Tells what a server decided. No two vendors say it alike: what counts first is what happens to the content, then the
 * headers vendors report findings in. Reason phrases are never looked at.
 */
export function judge(exchange: JudgedExchange): Judgement {
  const pageStatus = httpStatusOf(exchange.received);
  const findings = exchange.fields.filter(({ key }) => key.startsWith('x-'));
  return { verdict: verdictOf(exchange, findings, pageStatus), threat: threatOf(findings), httpStatus: pageStatus };
}

function verdictOf(
  exchange: JudgedExchange,
  findings: readonly ParsedField[],
  pageStatus: number | undefined,
): Verdict {
  const { method, status, sent, received } = exchange;
  if (status === 204) return 'allowed';
  if (status < 200 || status >= 300) return 'error';
  const isReply = received.some(({ part }) => part === 'res-hdr');
  // A REQMOD that comes back as a response is a refusal whatever its status says: Symantec's is a 200.
  if (method === 'REQMOD' && isReply) return 'blocked';
  const statusChanged = isReply && pageStatus !== httpStatusOf(sent);
  if (statusChanged && pageStatus !== undefined && pageStatus >= 300) return 'blocked';
  if (reportsFinding(findings)) return 'blocked';
  if (statusChanged || exchange.bodyChanged === true) return 'modified';
  const part: HeaderPart = method === 'REQMOD' ? 'req-hdr' : 'res-hdr';
  return hasSameHeaders(sectionOf(sent, part), sectionOf(received, part)) ? 'allowed' : 'modified';
}

function reportsFinding(fields: readonly ParsedField[]): boolean {
  return fields.some(({ key, value }) => {
    const text = value.toLowerCase();
    switch (key) {
      case 'x-infection-found':
        return true;
      case 'x-virus-id':
      case 'x-virus-name':
        return !NOTHING_FOUND.has(text);
      case 'x-fsecure-scan-result':
        return text === 'infected';
      case 'x-violations-found':
        return Number.parseInt(text, 10) >= 1;
      case 'x-response-info':
        return text === 'blocked';
      default:
        return key.startsWith('x-block') && !NOTHING_FOUND.has(text);
    }
  });
}

/** The most exact name comes first: vendors that send several fields shorten it in some. */
function threatOf(fields: readonly ParsedField[]): string | undefined {
  if (fields.length === 0) return undefined;
  const named = [
    /threat=([^;]+)/i.exec(fieldValue(fields, 'x-infection-found') ?? '')?.[1],
    fieldValue(fields, 'x-virus-id'),
    // Count, then for each finding: file name, threat, id, resolution, each on a line of its own.
    fieldValue(fields, 'x-violations-found')
      ?.split('\t')
      .filter((item) => item !== '')[2],
    fieldValue(fields, 'x-virus-name'),
    fieldValue(fields, 'x-fsecure-infection-name')?.replaceAll('"', ''),
    fieldValue(fields, 'x-blocked-reason'),
    fieldValue(fields, 'x-block-reason'),
  ];
  return named.map((name) => name?.trim()).find((name) => name !== undefined && !NOTHING_FOUND.has(name.toLowerCase()));
}

/** Nothing returned counts as unchanged: c-icap can say "no modification" with a 200 that holds nothing. */
function hasSameHeaders(sent: Buffer | undefined, received: Buffer | undefined): boolean {
  if (received === undefined || received.length === 0 || sent === undefined) return true;
  return sent.equals(received) || withoutVia(sent) === withoutVia(received);
}

/** Every intermediary adds itself to Via, so an added one changes nothing that matters. */
function withoutVia(block: Buffer): string {
  return block.toString('latin1').replaceAll(VIA, '');
}

function sectionOf(sections: readonly Section[], part: HeaderPart): Buffer | undefined {
  return sections.find((section) => section.part === part)?.bytes;
}

function httpStatusOf(sections: readonly Section[]): number | undefined {
  const block = sectionOf(sections, 'res-hdr');
  return block === undefined ? undefined : httpStatus(block);
}
