import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ClientAuthConfig, ServiceTlsConfig } from '../../src/config/tls-config.ts';
import { ClientAuth } from '../../src/tls/client-auth.ts';
import { type HandshakeProblem, problemOfError } from '../../src/tls/handshake-failure.ts';
import { judgeKey, PskKeys, pskProofOf } from '../../src/tls/psk.ts';
import { createServerContext } from '../../src/tls/server-context.ts';
import { beginHandshake, finishHandshake } from '../../src/tls/server-handshake.ts';
import { loadServiceMaterial } from '../../src/tls/service-material.ts';
import { deriveTicketKeys, type TicketSecret } from '../../src/tls/ticket-keys.ts';
import { certificates } from './certificates.ts';

export interface TlsServiceOptions {
  readonly name?: string;
  readonly tls?: Partial<Omit<ServiceTlsConfig, 'clientAuth'>>;
  readonly clientAuth?: Partial<ClientAuthConfig>;
  readonly secret?: TicketSecret;
  /** The clock that clients are judged by. */
  readonly nowMs?: () => number;
  /** Whether it accepts everybody with whom it could shake hands, so that they get what no session would give them. */
  readonly isGullible?: boolean;
}

/** What became of one connection. */
export type Outcome =
  | {
      readonly kind: 'accepted' | 'refused';
      /** Undefined where accepted. */
      readonly problem: HandshakeProblem | undefined;
      readonly resumed: boolean;
      readonly version: string | null;
      readonly certificate: X509Certificate | undefined;
      /** Of the pre-shared key that was used. */
      readonly identity: string | undefined;
    }
  | { readonly kind: 'failed'; readonly problem: HandshakeProblem }
  | { readonly kind: 'left'; readonly event: 'end' | 'close' };

/** A service that judges its clients as a session does, greets those it accepts and keeps what became of all. */
export interface TlsService extends AsyncDisposable {
  readonly port: number;
  /** The outcome of the next connection that has not been asked for. */
  outcome(): Promise<Outcome>;
}

export const GREETING = 'welcome';

/** One secret for a whole file: what the workers of one process share. */
export const SHARED_SECRET: TicketSecret = { secret: new Uint8Array(32).fill(7), epoch: 1 };

export const EVERYBODY = { subjects: [], sans: [], spkiSha256: [] } as const;

/** A whole client-auth mapping with the defaults of the configuration. */
export function clientAuthConfig(change: Partial<ClientAuthConfig> = {}): ClientAuthConfig {
  return {
    mode: 'require',
    ca: [],
    trust: 'auto',
    verify: true,
    chainAndPin: false,
    crl: [],
    allow: EVERYBODY,
    redirect: [],
    redirectBalance: 'in-order',
    ...change,
  };
}

/** A whole tls mapping with the defaults of the configuration, served as the lab's server. */
export function serviceTlsConfig({ tls, clientAuth }: Pick<TlsServiceOptions, 'tls' | 'clientAuth'>): ServiceTlsConfig {
  return {
    cert: certificates().server.combined,
    key: undefined,
    keyPassphraseFile: undefined,
    pskFile: undefined,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: undefined,
    ciphersuites: undefined,
    groups: undefined,
    serverCipherPreference: true,
    securityLevel: undefined,
    sessionTickets: true,
    sessionIds: false,
    sessionTimeoutMs: 300_000,
    ticketSecret: { value: undefined, file: undefined },
    ...tls,
    clientAuth: clientAuthConfig(clientAuth),
  };
}

export async function startTlsService(options: TlsServiceOptions): Promise<TlsService> {
  const { name = 'service', secret = SHARED_SECRET, nowMs = Date.now, isGullible = false } = options;
  const tls = serviceTlsConfig(options);
  const material = loadServiceMaterial(tls);
  const context = createServerContext({ tls, material, tickets: deriveTicketKeys(secret, name, material.policyHash) });
  const psk = material.psk && new PskKeys(material.psk, material.keyPair === undefined);
  const auth = new ClientAuth(tls.clientAuth, material.trust);
  const request = { isAsked: auth.isAsking, isRequired: tls.clientAuth.mode === 'require' };
  const outcomes: Outcome[] = [];
  const waiting: ((outcome: Outcome) => void)[] = [];
  const tell = (outcome: Outcome): void => {
    const wake = waiting.shift();
    if (wake === undefined) outcomes.push(outcome);
    else wake(outcome);
  };

  const judge = (socket: TLSSocket): void => {
    const verifyCode = finishHandshake(socket);
    socket.on('error', () => socket.destroy());
    socket.resume();
    const certificate = socket.getPeerX509Certificate();
    const proof = pskProofOf(socket, psk);
    const identity = proof?.identity;
    const judged = identity === undefined ? auth.judge({ verifyCode, certificate }, nowMs()) : undefined;
    const problem = isGullible ? undefined : (judgeKey(psk, proof) ?? judged);
    const resumed = identity === undefined && socket.isSessionReused();
    const kind = problem === undefined ? 'accepted' : 'refused';
    tell({ kind, problem, resumed, version: socket.getProtocol(), certificate, identity });
    if (problem === undefined) socket.write(GREETING);
    else socket.destroy();
  };

  const open = new Set<Socket>();
  const server = createServer((raw) => {
    open.add(raw);
    raw.once('close', () => open.delete(raw));
    const socket = beginHandshake(raw, { context, sessions: undefined, psk }, request);
    let isTold = false;
    const endWith = (outcome: Outcome): void => {
      if (!isTold) tell(outcome);
      isTold = true;
    };
    socket.once('secure', () => {
      isTold = true;
      judge(socket);
    });
    socket.on('error', (error) => endWith({ kind: 'failed', problem: problemOfError(error) }));
    socket.once('end', () => endWith({ kind: 'left', event: 'end' }));
    socket.once('close', () => endWith({ kind: 'left', event: 'close' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async outcome() {
      return outcomes.shift() ?? new Promise<Outcome>((resolve) => waiting.push(resolve));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
