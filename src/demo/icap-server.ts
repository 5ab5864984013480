import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { RuntimeError } from '../errors.ts';
import { DEFAULT_ICAP_LIMITS, type IcapLimits } from '../icap/limits.ts';
import { closingError } from './answer-bytes.ts';
import { Connection, type ConnectionOptions, type ConnectionTimeouts, type TransactionEntry } from './connection.ts';
import { HoldBudget } from './hold-budget.ts';

const MIB = 1024 * 1024;

const DEFAULT_TIMEOUTS: ConnectionTimeouts = { idleMs: 60_000, headerMs: 30_000, bodyIdleMs: 60_000, lingerMs: 1_000 };

/** Where the demonstration server listens, and what it allows. */
export interface IcapServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly limits?: IcapLimits;
  readonly timeouts?: ConnectionTimeouts;
  /** Connections above this are answered 503. */
  readonly maxConnections?: number;
  /** The largest body that is sent back where a 204 is not permitted; above it the answer is 500. */
  readonly maxHeldBytes?: number;
  /** Called once for each request that was answered. */
  readonly log?: (entry: TransactionEntry) => void;
}

/** A running demonstration server. Disposing it cuts its connections. */
export interface IcapServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Starts an ICAP server to try things out with: it serves OPTIONS, REQMOD and RESPMOD on every path over plain TCP, and
 * blocks the EICAR test string and payment card numbers. It is a demonstration, not a scanner.
 */
export async function startIcapServer(options: IcapServerOptions): Promise<IcapServer> {
  const { host, port, maxConnections = 1000 } = options;
  const connectionOptions: ConnectionOptions = {
    limits: options.limits ?? DEFAULT_ICAP_LIMITS,
    timeouts: options.timeouts ?? DEFAULT_TIMEOUTS,
    maxHeldBytes: options.maxHeldBytes ?? 8 * MIB,
    maxConnections,
    budget: new HoldBudget(256 * MIB),
    log: options.log ?? (() => {}),
  };
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (open.size >= maxConnections) {
      socket.on('error', () => {});
      socket.end(closingError(503), () => socket.destroySoon());
      return;
    }
    open.add(socket);
    const end = (): void => {
      open.delete(socket);
    };
    new Connection(socket, connectionOptions).serve().then(end, (error: unknown) => {
      end();
      throw error;
    });
  });
  server.listen({ host, port, backlog: 1024 });
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new RuntimeError('ICAPGW_LISTEN', { detail: `${host}:${port}`, cause });
  }
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
