import type { EventEmitter } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Address } from '../../src/config/config.ts';
import { Crew, type CrewOptions } from '../../src/runtime/crew.ts';
import type { FromWorker, GenerationSnapshot, ToWorker, WorkerSnapshot } from '../../src/runtime/snapshot.ts';

const threads = vi.hoisted(() => ({
  started: [] as ScriptedWorker[],
  /** What a worker answers to `listen`: that it listens, or why it cannot. */
  refusal: undefined as string | undefined,
  /** Whether they do not end when asked to. */
  isStuck: false,
  /** Whether they have not loaded yet: they answer nothing. */
  isLoading: false,
}));

/** A thread that answers as told and ends when asked to. */
interface ScriptedWorker extends EventEmitter {
  readonly received: ToWorker[];
}

function answerTo(message: ToWorker): FromWorker | undefined {
  if (message.type === 'ping') return { type: 'pong' };
  if (message.type !== 'listen') return undefined;
  const { refusal } = threads;
  return refusal === undefined
    ? { type: 'listening', addresses: message.addresses }
    : { type: 'listen-failed', detail: refusal };
}

vi.mock('node:worker_threads', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:worker_threads')>();
  const { EventEmitter: Emitter } = await import('node:events');
  class Scripted extends Emitter {
    readonly received: ToWorker[] = [];

    constructor() {
      super();
      threads.started.push(this);
    }

    postMessage(message: ToWorker | WorkerSnapshot): void {
      if (!('type' in message)) return;
      this.received.push(message);
      const answer = answerTo(message);
      if (answer !== undefined && !threads.isLoading) queueMicrotask(() => this.emit('message', answer));
    }

    unref(): void {}

    async terminate(): Promise<number> {
      if (threads.isStuck) await new Promise(() => {});
      this.emit('exit', 1);
      return 1;
    }
  }
  return { ...original, Worker: Scripted };
});

beforeEach(() => {
  vi.useFakeTimers();
  threads.started.length = 0;
  threads.refusal = undefined;
  threads.isStuck = false;
  threads.isLoading = false;
  return () => vi.useRealTimers();
});

function createCrew() {
  const deaths: string[] = [];
  const replaced: number[] = [];
  const learned: string[] = [];
  const options: CrewOptions = {
    size: 2,
    snapshot: (): WorkerSnapshot => ({}) as WorkerSnapshot,
    onEventPort: (port: MessagePort) => port.close(),
    onFailures: () => {},
    onLearn: (_generation, service, path) => learned.push(`${service} ${path}`),
    onDeath: (worker, detail) => deaths.push(`${worker}: ${detail}`),
    onReplaced: (worker) => replaced.push(worker),
  };
  return { crew: new Crew(options), deaths, replaced, learned };
}

describe('the start', () => {
  test('lets nobody listen before all have loaded', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    threads.isLoading = true;
    const started = crew.start([[]]);
    threads.started[0]?.emit('message', { type: 'pong' } satisfies FromWorker);
    await vi.advanceTimersByTimeAsync(1000);
    expect(threads.started.flatMap(({ received }) => received.map(({ type }) => type))).toEqual(['ping', 'ping']);
    threads.isLoading = false;
    threads.started[1]?.emit('message', { type: 'pong' } satisfies FromWorker);
    await started;
    expect(crew.isListening).toBe(true);
  });

  test('fails where one ends while it loads', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    threads.isLoading = true;
    const started = expect(crew.start([[]])).rejects.toThrow(/out of memory/);
    threads.started[1]?.emit('error', new Error('out of memory'));
    threads.started[1]?.emit('exit', 1);
    await started;
    expect(threads.started[0]?.received.map(({ type }) => type)).toEqual(['ping']);
  });
});

describe('a worker that dies', () => {
  test('is told once and replaced', async () => {
    const { crew, deaths, replaced } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    threads.started[1]?.emit('error', new Error('out of memory'));
    threads.started[1]?.emit('exit', 1);
    await vi.advanceTimersByTimeAsync(100);
    expect(deaths).toEqual(['1: out of memory']);
    expect(replaced).toEqual([1]);
    expect(threads.started).toHaveLength(3);
  });

  test('is replaced again, ever later, while its replacement cannot listen', async () => {
    const { crew, deaths, replaced } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    threads.refusal = 'somebody else listens there';
    threads.started[0]?.emit('exit', 1);
    await vi.advanceTimersByTimeAsync(100);
    expect(deaths).toEqual(['0: it ended without a word', '0: somebody else listens there']);
    threads.refusal = undefined;
    await vi.advanceTimersByTimeAsync(199);
    expect(replaced).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(replaced).toEqual([0]);
    expect(deaths).toHaveLength(2);
  });

  test('is missed while it was the last one that listened', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    expect(crew.isListening).toBe(false);
    await crew.start([[]]);
    threads.started[0]?.emit('exit', 1);
    expect(crew.isListening).toBe(true);
    threads.started[1]?.emit('exit', 1);
    expect(crew.isListening).toBe(false);
    await vi.advanceTimersByTimeAsync(100);
    expect(crew.isListening).toBe(true);
  });

  test('just before a drain is not replaced any more', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    threads.started[1]?.emit('exit', 1);
    const drained = crew.ask({ type: 'drain' }, 'drained');
    threads.started[0]?.emit('message', { type: 'drained' });
    expect(await drained).toEqual([{ type: 'drained' }]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(threads.started).toHaveLength(2);
  });
});

test('a path that a worker wants to know of is passed on', async () => {
  const { crew, learned } = createCrew();
  await using _crew = crew;
  await crew.start([[]]);
  threads.started[1]?.emit('message', {
    type: 'learn',
    generation: 1,
    service: 2,
    path: '/avscan',
  } satisfies FromWorker);
  expect(learned).toEqual(['2 /avscan']);
});

test('a worker that does not end is not waited for without end', async () => {
  const { crew } = createCrew();
  await crew.start([[]]);
  threads.isStuck = true;
  const ended = vi.fn();
  const disposed = crew[Symbol.asyncDispose]().then(ended);
  await vi.advanceTimersByTimeAsync(2_999);
  expect(ended).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  await disposed;
});

describe('another configuration', () => {
  const next = { generation: 2 } as GenerationSnapshot;
  const address = (port: number): Address => ({ kind: 'tcp', host: '127.0.0.1', port });
  const unix: Address = { kind: 'unix', path: '/run/icapgw.sock' };

  /** What the worker with this index was asked to take over. */
  function asked(index: number): readonly Extract<ToWorker, { type: 'reload' }>[] {
    return threads.started[index]?.received.filter((message) => message.type === 'reload') ?? [];
  }

  function answer(index: number, message: FromWorker): void {
    threads.started[index]?.emit('message', message);
  }

  test('is tried by the first worker, and then taken over by all, at the addresses that it got', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    const reloaded = crew.reload(next, [[address(0), unix]]);
    expect([asked(0), asked(1)]).toEqual([[expect.objectContaining({ next, reusePort: true })], []]);
    answer(0, { type: 'reloaded', addresses: [[address(4711), unix]] });
    await vi.advanceTimersByTimeAsync(0);
    expect(asked(1)).toEqual([expect.objectContaining({ addresses: [[address(4711)]] })]);
    answer(1, { type: 'reloaded', addresses: [[address(4711)]] });
    expect(await reloaded).toEqual([[address(4711), unix]]);
  });

  test('is tried by another where the first worker is dead, which has the unix sockets from then on', async () => {
    const { crew, replaced } = createCrew();
    await using _crew = crew;
    await crew.start([[unix]]);
    threads.started[0]?.emit('exit', 1);
    const reloaded = crew.reload(next, [[address(0), unix]]);
    answer(1, { type: 'reloaded', addresses: [[address(4715), unix]] });
    await reloaded;
    await vi.advanceTimersByTimeAsync(200);
    expect(replaced).toEqual([0]);
    expect(threads.started[2]?.received).toMatchObject([{ type: 'listen', addresses: [[address(4715)]] }]);
  });

  test('is tried by the one that has the unix sockets, whoever that is: nobody else could listen there', async () => {
    const { crew, replaced } = createCrew();
    await using _crew = crew;
    await crew.start([[unix]]);
    threads.started[0]?.emit('exit', 1);
    const first = crew.reload(next, [[unix]]);
    answer(1, { type: 'reloaded', addresses: [[unix]] });
    await first;
    await vi.advanceTimersByTimeAsync(200);
    expect(replaced).toEqual([0]);
    const second = crew.reload(next, [[unix]]);
    answer(1, { type: 'reloaded', addresses: [[unix]] });
    await vi.advanceTimersByTimeAsync(0);
    expect(asked(2)).toEqual([expect.objectContaining({ addresses: [[]] })]);
    answer(2, { type: 'reloaded', addresses: [[]] });
    await second;
    expect(asked(1)).toHaveLength(2);
  });

  test('is not waited for without end: a worker that does not answer is replaced', async () => {
    const { crew, deaths, replaced } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    const failed = expect(crew.reload(next, [[]])).rejects.toThrow(/did not answer/);
    await vi.advanceTimersByTimeAsync(20_000);
    await failed;
    await vi.advanceTimersByTimeAsync(100);
    expect([deaths.length, replaced]).toEqual([1, [0]]);
    const reloaded = crew.reload(next, [[]]);
    answer(2, { type: 'reloaded', addresses: [[address(4716)]] });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await reloaded).toEqual([[address(4716)]]);
    await vi.advanceTimersByTimeAsync(200);
    expect(deaths[1]).toMatch(/^1: it did not answer/);
    expect(replaced).toEqual([0, 1]);
  });

  test('that another worker cannot follow ends that one, and says why', async () => {
    const { crew, deaths } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    const reloaded = crew.reload(next, [[]]);
    answer(0, { type: 'reloaded', addresses: [[]] });
    await vi.advanceTimersByTimeAsync(0);
    answer(1, { type: 'reload-failed', detail: 'no more descriptors' });
    await reloaded;
    expect(deaths).toEqual([expect.stringMatching(/^1: it did not follow.*no more descriptors/)]);
  });

  test('is not taken any more when the crew has ended meanwhile', async () => {
    const { crew } = createCrew();
    await crew.start([[]]);
    const reloaded = expect(crew.reload(next, [[]])).rejects.toThrow();
    answer(0, { type: 'reloaded', addresses: [[]] });
    await vi.advanceTimersByTimeAsync(0);
    await crew[Symbol.asyncDispose]();
    await reloaded;
  });

  test('that the first worker cannot take is not shown to the others', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    const reloaded = crew.reload(next, [[]]);
    answer(0, { type: 'reload-failed', detail: 'somebody else listens there' });
    await expect(reloaded).rejects.toThrow(/somebody else listens there/);
    expect(asked(1)).toEqual([]);
  });

  test('goes on being what a worker that dies later is replaced for', async () => {
    const { crew, replaced } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    const reloaded = crew.reload(next, [[address(0)]]);
    answer(0, { type: 'reloaded', addresses: [[address(4712)]] });
    await vi.advanceTimersByTimeAsync(0);
    answer(1, { type: 'reloaded', addresses: [[address(4712)]] });
    await reloaded;
    threads.started[1]?.emit('exit', 1);
    await vi.advanceTimersByTimeAsync(100);
    expect(replaced).toEqual([1]);
    expect(threads.started[2]?.received).toMatchObject([{ type: 'listen', addresses: [[address(4712)]] }]);
  });

  test('is not undone for all by a worker that dies over it', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    const reloaded = crew.reload(next, [[address(0)]]);
    answer(0, { type: 'reloaded', addresses: [[address(4713)]] });
    await vi.advanceTimersByTimeAsync(0);
    threads.started[1]?.emit('exit', 1);
    expect(await reloaded).toEqual([[address(4713)]]);
  });

  test('is what a worker that dies meanwhile is replaced for: nobody is born with the one before', async () => {
    const { crew, replaced } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    const reloaded = crew.reload(next, [[address(0)]]);
    threads.started[1]?.emit('exit', 1);
    await vi.advanceTimersByTimeAsync(19_000);
    expect(replaced).toEqual([]);
    answer(0, { type: 'reloaded', addresses: [[address(4714)]] });
    await reloaded;
    await vi.advanceTimersByTimeAsync(100);
    expect(replaced).toEqual([1]);
    expect(threads.started[2]?.received).toMatchObject([{ type: 'listen', addresses: [[address(4714)]] }]);
  });

  test('waits for a replacement that does not listen yet, so that none misses it', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    threads.started[1]?.emit('exit', 1);
    vi.advanceTimersByTime(100);
    const reloaded = crew.reload(next, [[address(0)]]);
    expect(asked(0)).toEqual([]);
    await vi.advanceTimersByTimeAsync(0);
    answer(0, { type: 'reloaded', addresses: [[address(4715)]] });
    await vi.advanceTimersByTimeAsync(0);
    expect(asked(2)).toHaveLength(1);
    answer(2, { type: 'reloaded', addresses: [[address(4715)]] });
    await reloaded;
  });

  test('is taken over before a drain begins: who is drained does not listen again', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    const reloaded = crew.reload(next, [[]]);
    const drained = crew.ask({ type: 'drain' }, 'drained');
    await vi.advanceTimersByTimeAsync(0);
    expect(threads.started[0]?.received.map(({ type }) => type)).toEqual(['ping', 'listen', 'reload']);
    answer(0, { type: 'reloaded', addresses: [[]] });
    await vi.advanceTimersByTimeAsync(0);
    answer(1, { type: 'reloaded', addresses: [[]] });
    await reloaded;
    await vi.advanceTimersByTimeAsync(0);
    expect(threads.started[0]?.received.map(({ type }) => type)).toEqual(['ping', 'listen', 'reload', 'drain']);
    answer(0, { type: 'drained' });
    answer(1, { type: 'drained' });
    expect(await drained).toHaveLength(2);
  });

  test('leaves no listener behind, however often there is one', async () => {
    const { crew } = createCrew();
    await using _crew = crew;
    await crew.start([[]]);
    const counts = (): readonly number[] =>
      threads.started.flatMap((worker) => ['message', 'exit', 'error'].map((name) => worker.listenerCount(name)));
    const before = counts();
    for (let turn = 0; turn < 20; turn += 1) {
      const ended = crew.reload(next, [[]]).catch(() => {});
      answer(0, turn % 2 === 0 ? { type: 'reloaded', addresses: [[]] } : { type: 'reload-failed', detail: 'no' });
      await vi.advanceTimersByTimeAsync(0);
      answer(1, { type: 'reloaded', addresses: [[]] });
      await ended;
    }
    expect(counts()).toEqual(before);
  });
});
