import { isHostName } from '../address.ts';
import { isIpv4, isIpv6 } from '../cidr.ts';
import type { SecretConfig } from '../feed-config.ts';
import { file, INVALID, type Kind, scalar } from '../kind.ts';
import { inline, type Key, mapping, optional } from '../mapping.ts';
import { DAY_MS, duration, SECOND_MS } from '../quantity.ts';

const PLACEHOLDER = /<[^<>]{1,200}>/;
const MAX_SECRET_LENGTH = 4096;

/** Refuses what nobody has filled in: a value of a sample that is still in angle brackets. */
export function filled<T>(kind: Kind<T>): Kind<T> {
  return {
    ...kind,
    read(raw, place) {
      const placeholder = typeof raw === 'string' ? PLACEHOLDER.exec(raw)?.[0] : undefined;
      if (placeholder === undefined) return kind.read(raw, place);
      place.error(`still has the placeholder ${placeholder} of the sample; write the real value in its place`);
      return INVALID;
    },
  };
}

/** Takes what YAML reads as a number or as true for the text that stands there: 6.10 is no 6.1, and 007 no 7. */
export function asWritten<T>(kind: Kind<T>): Kind<T> {
  return {
    ...kind,
    read: (raw, place) =>
      kind.read(typeof raw === 'number' || typeof raw === 'boolean' ? (place.written ?? String(raw)) : raw, place),
  };
}

/** Text that no message may repeat. */
export function secretText(expected: string, isValid: (text: string) => boolean): Kind<string> {
  return {
    type: 'secret',
    keys: [],
    read(raw, place) {
      if (typeof raw === 'string' && raw.length <= MAX_SECRET_LENGTH && isValid(raw)) return raw;
      place.error(`must be ${expected}; what stands here is not repeated`);
      return INVALID;
    },
    write: (value) => value,
  };
}

/** A shared secret or an API key. */
export const SECRET: Kind<string> = filled(
  asWritten(secretText('text of visible characters without blanks', (text) => /^[^\s\p{Cc}]+$/u.test(text))),
);

/** Where a broker is, with the credentials for it. */
export const BROKER_URL: Kind<string> = filled(
  secretText('the address of a broker such as amqps://user:password@broker.example/vhost', (text) => {
    const protocol = URL.parse(text)?.protocol;
    return protocol === 'amqp:' || protocol === 'amqps:';
  }),
);

/** A secret that stands in the file, or in one of its own. */
export function secret(name: string, fileName = `${name}-file`, kind: Kind<string> = SECRET): Key<SecretConfig> {
  return inline(mapping<SecretConfig>({ value: optional(name, kind), file: optional(fileName, filled(file())) }));
}

export const NO_SECRET: SecretConfig = { value: undefined, file: undefined };

/** A local address or the name of one. */
export const HOST: Kind<string> = filled(
  scalar({
    type: 'host',
    expected: 'an address to listen on such as 0.0.0.0, or "::" in quotes',
    parse: (raw) => (typeof raw === 'string' && (isIpv4(raw) || isIpv6(raw) || isHostName(raw)) ? raw : INVALID),
    write: (host) => host,
  }),
);

/** Scheme and host of an SMC, and the port where it was written: what it was written as is put in order. */
export const SMC_ENDPOINT: Kind<string> = filled(
  scalar({
    type: 'URL',
    expected: 'the address of the SMC API such as https://smc.example or https://192.0.2.10:8082',
    parse(raw) {
      const [, scheme = 'http', host = '', port = ''] =
        typeof raw === 'string'
          ? (/^(?:(https?):\/\/)?(\[[\da-f:.]+\]|[^\s/:?#@[\]]+)(?::(\d{1,5}))?\/*$/i.exec(raw) ?? [])
          : [];
      const isHost = isIpv4(host) || isHostName(host) || isIpv6(host.replace(/^\[(.*)\]$/, '$1'));
      if (!isHost || host === '' || Number(port || 1) < 1 || Number(port) > 65_535) return INVALID;
      return `${scheme.toLowerCase()}://${host.toLowerCase()}${port === '' ? '' : `:${Number(port)}`}`;
    },
    write: (endpoint) => endpoint,
    hint: (raw) =>
      typeof raw === 'string' && /^(?:https?:\/\/)?[^/\s]+\/+[^/\s]/.test(raw) ? 'leave out the path' : undefined,
  }),
);

/** A version of the SMC API. */
export const API_VERSION: Kind<string> = filled(
  asWritten(
    scalar({
      type: 'version',
      expected: 'a version of the SMC API such as 6.7',
      parse: (raw) => (typeof raw === 'string' && /^\d{1,4}(?:\.\d{1,4}){0,3}$/.test(raw) ? raw : INVALID),
      write: (version) => version,
    }),
  ),
);

/** The name of an engine, as the SMC shows it. */
export const ENGINE_NAME: Kind<string> = filled(
  asWritten(
    scalar({
      type: 'name',
      expected: 'the name of an engine as the SMC shows it',
      parse: (raw) => (typeof raw === 'string' && /^[^\p{Cc}]{1,256}$/u.test(raw) ? raw.trim() : INVALID),
      write: (name) => name,
    }),
  ),
);

/** As `kind`, and an empty text is an empty list. */
export function emptyable<T>(kind: Kind<readonly T[]>): Kind<readonly T[]> {
  return { ...kind, read: (raw, place) => (raw === '' ? [] : kind.read(raw, place)) };
}

/** The longest time an address stays blocked for one finding. */
export const MAX_BLOCK_MS: number = 366 * DAY_MS;

const ANY_BLOCK_TIME: Kind<number> = duration(SECOND_MS, MAX_BLOCK_MS);

/** How long an address stays blocked: the SMC counts in seconds. */
export const BLOCK_TIME: Kind<number> = {
  ...ANY_BLOCK_TIME,
  read(raw, place) {
    const value = ANY_BLOCK_TIME.read(raw, place);
    if (value === INVALID || value % SECOND_MS === 0) return value;
    place.error('must be whole seconds, as the SMC takes no others');
    return INVALID;
  },
};

/** As GuardDuty rates its findings. */
export const SEVERITY: Kind<number> = scalar({
  type: 'number',
  expected: 'a severity from 0 to 10, such as 4',
  parse: (raw) => (typeof raw === 'number' && raw >= 0 && raw <= 10 ? raw : INVALID),
  write: (severity) => severity,
});
