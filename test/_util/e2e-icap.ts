import { certificates } from './certificates.ts';

export const SCAN_PATH = '/virus_scan';

const HEALTH = { type: 'icap', path: SCAN_PATH, interval: '200ms', timeout: '2s', rise: 1, fall: 2 };

/** Backends on these ports of the loopback, named `first`, `second` and so on. */
export function backendsOn(servers: readonly { readonly port: number }[]): readonly object[] {
  const names = ['first', 'second', 'third'];
  return servers.map(({ port }, index) => ({ name: names[index], address: `127.0.0.1:${port}` }));
}

/** A service in ICAP mode on a free port, in clear, whose backends are asked about their scanner. */
export function icapService(name: string, backends: readonly object[], more: object = {}): object {
  return { name, listen: '127.0.0.1:0', protocol: 'icap', tls: 'off', health: HEALTH, backends, ...more };
}

/** TLS for a service that wants a certificate of the lab's CA. */
export function mutualTls(): object {
  const { server, ca } = certificates();
  return { tls: { cert: server.cert, key: server.key, 'client-auth': { ca: ca.cert } } };
}

export interface AccessLine {
  readonly service: string;
  readonly client: string;
  readonly backend: string | null;
  readonly subject: string | null;
  readonly method: string | null;
  readonly http: string | null;
  readonly status: number | null;
  readonly verdict: string | null;
  readonly threat: string | null;
  readonly attempt: number;
  readonly retryReason: string | null;
}

/** The transactions in what a gateway with `log: { access: '-' }` wrote to its standard output. */
export function accessLines({ stdout }: { readonly stdout: string }): readonly AccessLine[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AccessLine);
}
