import { fieldValue, type ParsedField } from './field.ts';

/** The field that names the user to DLP servers: base64 of a URI such as `WinNT://DOMAIN/user`. */
export const AUTHENTICATED_USER = 'x-authenticated-user';

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//;
const WINDOWS = /^WinNT:\/\//i;
const PRINTABLE = /^[\x20-\x7e\x80-\xff]*$/;

/**
 * The value of X-Authenticated-User for a user as other fields name it: `DOMAIN\user`, `user`, or the URI itself, plain
 * or encoded already. Windows names are what Symantec and Forcepoint look users up by.
 */
export function encodeUser(value: string): string {
  if (uriOf(value) !== undefined) return value;
  const uri = SCHEME.test(value) ? value : `WinNT://${value.replaceAll('\\', '/')}`;
  return Buffer.from(uri, 'latin1').toString('base64');
}

/**
 * The user a request names, for people to read: `DOMAIN\user` where it is a Windows name. Credentials are never looked
 * at: what Proxy-Authorization holds is none of the log's business.
 */
export function decodeUser(fields: readonly ParsedField[]): string | undefined {
  const value = fieldValue(fields, AUTHENTICATED_USER) || fieldValue(fields, 'x-client-username');
  if (value === undefined || value === '') return undefined;
  const text = Buffer.from(uriOf(value) ?? value, 'latin1').toString('utf8');
  return WINDOWS.test(text) ? text.replace(WINDOWS, '').replace('/', '\\') : text;
}

/** The URI that a value holds in base64. Plain names are often valid base64 too, but none decodes to `scheme://`. */
function uriOf(value: string): string | undefined {
  if (value.length % 4 !== 0 || !BASE64.test(value)) return undefined;
  const text = Buffer.from(value, 'base64').toString('latin1');
  return SCHEME.test(text) && PRINTABLE.test(text) ? text : undefined;
}
