import { RuntimeError } from '../../errors.ts';

/** Where a broker is, and who comes. */
export interface BrokerAddress {
  readonly protocol: 'amqp' | 'amqps';
  readonly hostname: string;
  readonly port: number;
  /** Percent-encoded, as amqplib decodes it. */
  readonly vhost: string;
  readonly username: string;
  /** Never to be shown. */
  readonly password: string;
  /** For logs and the status. */
  readonly text: string;
}

const PORTS = { amqp: 5672, amqps: 5671 } as const;

/**
 * Reads `amqp://user:password@host:port/vhost`; without a user it is guest, without a path the vhost is `/`. Throws
 * `ICAPGW_FEED_BROKER`, with a text that quotes nothing: there may be a password in it.
 */
export function parseBrokerUrl(text: string): BrokerAddress {
  const url = URL.parse(text.trim());
  const protocol = url?.protocol === 'amqp:' ? 'amqp' : url?.protocol === 'amqps:' ? 'amqps' : undefined;
  if (url === null || protocol === undefined || url.hostname === '') {
    throw refusal('must be an amqp:// or amqps:// URL, such as amqps://user:password@rabbitmq.example/vhost');
  }
  if (url.search !== '' || url.hash !== '') {
    throw refusal('takes no parameters behind ? or #; a password with such a sign in it is written %3F or %23');
  }
  const port = url.port === '' ? PORTS[protocol] : Number(url.port);
  const vhost = url.pathname.slice(1);
  const isGuest = url.username === '' && url.password === '';
  return {
    protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    vhost: vhost === '' ? '%2F' : vhost,
    username: isGuest ? 'guest' : decoded(url.username),
    password: isGuest ? 'guest' : decoded(url.password),
    text: `${protocol}://${url.hostname}:${port}${vhost === '' ? '' : `/${vhost}`}`,
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refusal('has a % in it that begins no percent-encoded sign: a % itself is written %25');
  }
}

function refusal(what: string): RuntimeError {
  return new RuntimeError('ICAPGW_FEED_BROKER', { detail: `feeds.queue.url ${what}` });
}
