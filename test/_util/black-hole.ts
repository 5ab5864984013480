import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/** Listens and then never runs again, so that nobody accepts what the kernel queues. */
const BLACK_HOLE = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/** An address that neither takes nor refuses a connection: whoever connects waits until its own patience is over. */
export async function startBlackHole(): Promise<{ readonly port: number } & AsyncDisposable> {
  const worker = new Worker(BLACK_HOLE, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  const fillers: Socket[] = [];
  // The kernel takes one more than the backlog says; what comes then waits for ever.
  for (let index = 0; index < 2; index += 1) {
    const filler = connect(port, '127.0.0.1');
    filler.on('error', () => filler.destroy());
    fillers.push(filler);
    await once(filler, 'connect');
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy();
      await worker.terminate();
    },
  };
}
