import { Worker } from 'node:worker_threads';
import { entryFile } from '../program-files.ts';

/** There always is a first worker, however many there are. */
const FIRST = 0;

let prepared: Worker | undefined;

/**
 * Begins to load the thread of the first worker. That takes as long as reading a configuration, and goes on beside it. It
 * does not keep the process alive before it is taken.
 */
export function prepareThread(): void {
  const thread = startThread(FIRST);
  prepared = thread;
  thread.unref();
  // One that cannot load is not taken: the next, which has an owner, tells why.
  thread.on('error', ignore);
  thread.once('exit', () => {
    if (prepared === thread) prepared = undefined;
  });
}

/** A thread that becomes the worker of this index with its first message, a `WorkerSnapshot`. The caller owns it. */
export function takeThread(index: number): Worker {
  if (index !== FIRST || prepared === undefined) return startThread(index);
  const thread = prepared;
  prepared = undefined;
  thread.off('error', ignore);
  thread.ref();
  return thread;
}

function startThread(index: number): Worker {
  return new Worker(entryFile('worker'), { name: `icapgw worker ${index}` });
}

function ignore(): void {}
