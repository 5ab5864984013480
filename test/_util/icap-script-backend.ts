import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { messageOf } from '../../src/errors.ts';
import { ScriptedConnection, type ScriptedExchange } from './icap-script-connection.ts';
import { answer } from './icap-script-message.ts';

/** What a backend does about one request, from its head on. What it sent at its end stands as the answer. */
export type ExchangeScript = (exchange: ScriptedExchange) => void | Promise<void>;

/** An ICAP server that does what a test tells it to, and keeps what it was sent. Disposing cuts its connections. */
export interface ScriptBackend extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
  /** For REQMOD and RESPMOD; may be replaced at any time and holds from the next head on. */
  script: ExchangeScript;
  optionsScript: ExchangeScript;
  /** Those that carried REQMOD or RESPMOD, in the order of their first head. */
  readonly connections: readonly ScriptedConnection[];
  /** REQMOD and RESPMOD, in the order of their heads. */
  readonly exchanges: readonly ScriptedExchange[];
  readonly options: readonly ScriptedExchange[];
  /** Most REQMOD and RESPMOD it has had at one time. */
  readonly peak: number;
  /** The REQMOD or RESPMOD of this index, as soon as its head is there. */
  exchange(index: number): Promise<ScriptedExchange>;
}

/** 204 where it is permitted, else everything back. */
export const unmodified: ExchangeScript = async (exchange) => {
  const { head } = exchange;
  const ending = await exchange.arrived();
  if (head.preview !== undefined && ending !== 'complete') return exchange.send(answer(204));
  if (head.preview !== undefined && head.encapsulated.body === 'null-body') return exchange.send(answer(204));
  if (head.allow204) return exchange.send(answer(204));
  await echo(exchange);
};

/** 200 with all that came, after asking for all of it. */
export const echo: ExchangeScript = async (exchange) => {
  const body = await exchange.body();
  const part = exchange.head.method === 'REQMOD' ? 'req-hdr' : 'res-hdr';
  const block = exchange.section(part);
  const hasBody = exchange.head.encapsulated.body !== 'null-body';
  exchange.send(answer(200, [], { ...(block === undefined ? {} : { [part]: block }), ...(hasBody ? { body } : {}) }));
};

/** Waits for the whole request, then sends these bytes. */
export function answering(bytes: Buffer): ExchangeScript {
  return async (exchange) => {
    await exchange.body();
    exchange.send(bytes);
  };
}

/** What a service says of itself, from these lines. */
export function saying(...lines: readonly string[]): ExchangeScript {
  return (exchange) => exchange.send(answer(200, [...lines, 'Encapsulated: null-body=0']));
}

const OPTIONS: ExchangeScript = saying('Methods: REQMOD, RESPMOD', 'Allow: 204', 'Preview: 1024', 'Options-TTL: 3600');

/** Starts a backend on a free port of the loopback. Disposing it throws where it was sent what is not strict ICAP. */
export async function startScriptBackend(script: ExchangeScript = unmodified): Promise<ScriptBackend> {
  const open = new Set<ScriptedConnection>();
  const used: ScriptedConnection[] = [];
  const exchanges: ScriptedExchange[] = [];
  const asked: ScriptedExchange[] = [];
  const problems: string[] = [];
  const waiting = new Set<() => void>();
  let running = 0;
  let peak = 0;
  const play = async (exchange: ScriptedExchange): Promise<void> => {
    const isOptions = exchange.head.method === 'OPTIONS';
    (isOptions ? asked : exchanges).push(exchange);
    if (!isOptions) {
      running += 1;
      peak = Math.max(peak, running);
      if (!used.includes(exchange.connection)) used.push(exchange.connection);
      for (const look of [...waiting]) look();
    }
    try {
      await (isOptions ? backend.optionsScript : backend.script)(exchange);
    } catch (error) {
      // What a script could not do because its client left is no fault of anybody.
      if (exchange.connection.isOpen) problems.push(messageOf(error));
    } finally {
      if (!isOptions) running -= 1;
    }
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) => {
    const connection = new ScriptedConnection(socket, play, (problem) => problems.push(problem));
    open.add(connection);
    socket.once('close', () => open.delete(connection));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const backend: ScriptBackend = {
    port,
    address: `127.0.0.1:${port}`,
    script,
    optionsScript: OPTIONS,
    connections: used,
    exchanges,
    options: asked,
    get peak() {
      return peak;
    },
    exchange: (index) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = exchanges[index];
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      server.close();
      for (const { socket } of open) socket.destroy();
      await once(server, 'close');
      if (problems.length > 0) throw new Error(`the scripted backend ${port} had trouble: ${problems.join('; ')}`);
    },
  };
  return backend;
}
