import { isIPv4 } from 'node:net';
import type { Section } from '../../icap/encapsulated.ts';
import { listItems } from '../../icap/field.ts';
import { httpFields } from '../../icap/http-head.ts';
import { addressBytes, addressText, canonicalIpv6 } from '../../net/proxy-protocol/ip-address.ts';
import { wrappedIpv4 } from '../../net/wrapped-ipv4.ts';
import type { RequestBlockLevel } from '../../observe/labels.ts';
import type { Blockade } from '../../policy/blockade.ts';
import type { ClientRequest } from './client-request.ts';

/** Why a request is blocked whatever a backend would say: whom it is from, or where it goes. */
export interface BlockedParty {
  readonly level: RequestBlockLevel;
  readonly address: string;
  readonly threat: string;
}

const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex');
const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;
/** What `URL` leaves out of what it reads, or before and after it. */
const BLANK = /[\p{Cc} ]/u;
const VERSION = /^HTTP\/\d(?:\.\d)?$/;
/** Of these schemes, `URL` takes any number of slashes, and backslashes for them. */
const SPECIAL = /^(?:https?|ftp|wss?):/i;

/**
 * Finds an address in a request that is blocked: of the user in X-Client-IP, or of the server in X-Server-IP, in the
 * target of the HTTP request and in its Host, where these are addresses in any spelling that clients take for one. Names are not resolved.
 */
export function findBlockedParty({ head, sections }: ClientRequest, blockade: Blockade): BlockedParty | undefined {
  if (blockade.looksFor('client-ip')) {
    const found = firstBlocked(listItems(head.fields, 'x-client-ip'), blockade);
    if (found !== undefined) return { level: 'client-ip', ...found };
  }
  if (!blockade.looksFor('target')) return undefined;
  const found = firstBlocked([...listItems(head.fields, 'x-server-ip'), ...hostsOf(sections)], blockade);
  return found && { level: 'target', ...found };
}

function firstBlocked(
  hosts: readonly string[],
  blockade: Blockade,
): { readonly address: string; readonly threat: string } | undefined {
  for (const host of hosts) {
    const written = literalAddress(host.trim());
    if (written === undefined) continue;
    for (const address of [written, ...wrappedIpv4(written)]) {
      const threat = blockade.threatOf(address);
      if (threat !== undefined) return { address, threat };
    }
  }
  return undefined;
}

/** Where an encapsulated request goes, as hosts with or without a port: all that it names, as servers differ in which one counts. */
function hostsOf(sections: readonly Section[]): readonly string[] {
  const block = sections.find(({ part }) => part === 'req-hdr')?.bytes;
  if (block === undefined) return [];
  const { method, target } = requestLine(block);
  const authority = authorityOf(target) || (method.toUpperCase() === 'CONNECT' ? target : '');
  const fields = httpFields(block, 'host').flatMap((value) => value.split(','));
  return [authority, ...fields].filter((host) => host !== '');
}

/** Read more loosely than RFC 9112 wants it, as some servers do: after empty lines, with blanks and controls around the target and in it, which go. */
function requestLine(block: Buffer): { readonly method: string; readonly target: string } {
  const text = block.toString('latin1').trimStart();
  const lf = text.indexOf('\n');
  const [method = '', ...words] = text.slice(0, lf === -1 ? text.length : lf).split(BLANK);
  const last = words.findLastIndex((word) => word !== '');
  return { method, target: words.slice(0, VERSION.test(words[last] ?? '') ? last : last + 1).join('') };
}

/** Of a URI: without the user, and also where the schemes of the web are written with fewer slashes, or with other ones. */
function authorityOf(target: string): string {
  const [, written] = ABSOLUTE.exec(target) ?? [];
  if (written === undefined || written === '' || written.includes('\\'))
    return SPECIAL.test(target) ? (URL.parse(target)?.host ?? '') : '';
  return written.slice(written.lastIndexOf('@') + 1);
}

/** The address that a host is, in its one spelling: also `3325256704`, `0x7f.1` and `[2001:db8::1]:443`; undefined for a name. */
export function literalAddress(host: string): string | undefined {
  // An address alone, as fields have it, cannot be told from a host with a port by a URL.
  const written = host.includes('[') || !/:.*:/.test(host) ? host : `[${host}]`;
  const hostname = URL.parse(`http://${written}/`)?.hostname ?? '';
  if (isIPv4(hostname)) return hostname;
  if (!hostname.startsWith('[')) return undefined;
  const address = canonicalIpv6(hostname.slice(1, -1));
  const bytes = addressBytes(address);
  return bytes.subarray(0, MAPPED_PREFIX.length).equals(MAPPED_PREFIX) ? addressText(bytes.subarray(12)) : address;
}
