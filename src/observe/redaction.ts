/** What stands in place of a credential. */
const HIDDEN = '***';

const SECRET_FIELDS: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
const SECRET_PART = /token|passw|pwd|passphrase|secret|credential|signature|apikey|accesskey|authkey/;
const SECRET_KEYS: ReadonlySet<string> = new Set([
  'auth',
  'code',
  'jwt',
  'key',
  'pass',
  'pw',
  'session',
  'sessionid',
  'sid',
  'sig',
]);
const USERINFO = /(\/\/|\s)[^/?#\s]*@/g;
const QUERY_PART = /[^&#]+/g;
const KEY = /(?:^|[;?])([^=;?]*)=/g;
const MAX_HEADERS_LENGTH = 2048;

/** A URL, or a method and a URL, as a log may show it: without a user, without the values of keys that hold secrets. */
export function withoutCredentials(target: string): string {
  const shown = target.includes('@') ? target.replace(USERINFO, '$1') : target;
  const start = shown.search(/[?#]/);
  return start === -1 ? shown : shown.slice(0, start) + shown.slice(start).replace(QUERY_PART, withoutSecret);
}

/** Header lines as a log may show them: of bounded length, credentials replaced. Folded fields must be unfolded. */
export function loggableHeaders(fields: readonly { readonly name: string; readonly value: string }[]): string {
  let text = '';
  for (const { name, value } of fields) {
    text += `${name}: ${isSecretField(name) ? HIDDEN : withoutCredentials(value)}\r\n`;
    if (text.length > MAX_HEADERS_LENGTH) return text.slice(0, MAX_HEADERS_LENGTH);
  }
  return text;
}

/** One `key=value` of a query; `;` and `?` may begin another inside it. What follows a secret's key is hidden whole. */
function withoutSecret(part: string): string {
  for (const match of part.matchAll(KEY)) {
    if (isSecretKey(match[1] ?? '')) return part.slice(0, match.index + match[0].length) + HIDDEN;
  }
  return part;
}

function isSecretField(name: string): boolean {
  const key = name.toLowerCase();
  return SECRET_FIELDS.has(key) || SECRET_PART.test(plain(key));
}

function isSecretKey(key: string): boolean {
  const name = plain(key.replace(/%[0-9a-f]{2}/gi, decoded).toLowerCase());
  return SECRET_KEYS.has(name) || SECRET_PART.test(name);
}

function decoded(encoded: string): string {
  return String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
}

/** `api_key`, `Api-Key` and `apikey` are one name. */
function plain(name: string): string {
  return name.replace(/[-_.]/g, '');
}
