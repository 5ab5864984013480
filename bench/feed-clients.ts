import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

/** Clients of a gateway and the echo behind it, in a thread of their own: sending findings does not keep them waiting. */
export interface FeedClients extends AsyncDisposable {
  /** Of the echo. */
  readonly port: number;
  /** Passes messages through what listens on a port while `work` lasts; returns how long each took in ms, ascending. */
  during(port: number, work: () => Promise<void>): Promise<Float64Array>;
}

type Order = { readonly type: 'start'; readonly port: number } | { readonly type: 'stop' };

const CLIENTS = 20;
const PAUSE_MS = 10;
const MESSAGE = Buffer.alloc(1024, 'x');

export async function startFeedClients(): Promise<FeedClients> {
  const worker = new Worker(new URL(import.meta.url));
  const answer = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
    });
  const port = await answer<number>();
  return {
    port,
    async during(gatewayPort, work) {
      worker.postMessage({ type: 'start', port: gatewayPort } satisfies Order);
      await work();
      const latencies = answer<Float64Array>();
      worker.postMessage({ type: 'stop' } satisfies Order);
      return await latencies;
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}

async function serve(): Promise<void> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  let isOver = false;
  let clients: Promise<unknown> = Promise.resolve();
  let latencies: number[] = [];
  parentPort?.on('message', async (order: Order) => {
    isOver = order.type === 'stop';
    if (order.type === 'start') {
      latencies = [];
      clients = Promise.all(Array.from({ length: CLIENTS }, () => drive(order.port, () => isOver, latencies)));
    } else {
      await clients;
      parentPort?.postMessage(Float64Array.from(latencies).sort());
    }
  });
  parentPort?.postMessage((server.address() as AddressInfo).port);
}

/** One that sends, waits for the echo, and pauses, until it is told to stop. */
async function drive(port: number, isOver: () => boolean, latencies: number[]): Promise<void> {
  const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true });
  while (!isOver()) {
    const startMs = performance.now();
    socket.write(MESSAGE);
    let missing = MESSAGE.length;
    await new Promise<void>((resolve, reject) => {
      const onData = (chunk: Buffer): void => {
        missing -= chunk.length;
        if (missing > 0) return;
        socket.off('data', onData).off('close', reject);
        resolve();
      };
      socket.on('data', onData).once('close', reject);
    });
    latencies.push(performance.now() - startMs);
    await delay(PAUSE_MS);
  }
  socket.removeAllListeners('close').destroy();
}

if (!isMainThread) await serve();
