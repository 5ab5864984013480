import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { beforeEach, expect, test, vi } from 'vitest';
import { prepareThread, takeThread } from '../../src/runtime/worker-thread.ts';

const threads = vi.hoisted(() => ({ started: [] as Worker[] }));

vi.mock('node:worker_threads', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:worker_threads')>();
  class Idle extends original.Worker {
    constructor(_entry: URL, options: ConstructorParameters<typeof Worker>[1]) {
      super("require('node:worker_threads').parentPort.on('message', () => {})", { ...options, eval: true });
      threads.started.push(this);
    }
  }
  return { ...original, Worker: Idle };
});

beforeEach(() => {
  threads.started.length = 0;
  return async () => {
    await Promise.all(threads.started.map((thread) => thread.terminate()));
  };
});

test('the thread that was prepared becomes the first worker, once', () => {
  prepareThread();
  const [prepared] = threads.started;
  expect(takeThread(1)).not.toBe(prepared);
  expect(takeThread(0)).toBe(prepared);
  expect(takeThread(0)).not.toBe(prepared);
});

test('nobody takes one that has ended: another is started, whose end its owner is told', async () => {
  prepareThread();
  const [prepared] = threads.started as [Worker];
  prepared.emit('error', new Error('it cannot be loaded'));
  await prepared.terminate();
  const taken = takeThread(0);
  expect(taken).not.toBe(prepared);
  const told = once(taken, 'exit');
  await taken.terminate();
  await told;
});
