import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import type { Address } from '../config/config.ts';
import { messageOf, RuntimeError } from '../errors.ts';
import type { FromWorker, GenerationSnapshot, ToWorker, WorkerSnapshot } from './snapshot.ts';
import { takeThread } from './worker-thread.ts';

export interface CrewOptions {
  readonly size: number;
  /** What a worker with this index is born with, as things stand now. */
  readonly snapshot: (workerIndex: number, eventPort: MessagePort) => WorkerSnapshot;
  /** The other end of a worker's way to the logs. */
  readonly onEventPort: (port: MessagePort) => void;
  readonly onFailures: (generation: number, service: number, slot: number) => void;
  /** A client asked for a path of the backends that is not known yet. */
  readonly onLearn: (generation: number, service: number, path: string) => void;
  /** A worker ended that should not have: called before its replacement starts. */
  readonly onDeath: (workerIndex: number, detail: string) => void;
  readonly onReplaced: (workerIndex: number) => void;
}

/** One that has not taken another configuration by then hangs. Less than what `ctl reload` waits for. */
const RELOAD_PATIENCE_MS = 20_000;
/** How long threads may take to end. A system call that hangs can hold one for ever. */
const END_PATIENCE_MS = 3000;
const REPLACE_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** Who lived so long did not die of its start: the next one need not wait. */
const STABLE_MS = 60_000;

/** The workers of the data plane. One that dies is replaced under the same index, on the same addresses. */
export class Crew implements AsyncDisposable {
  readonly #options: CrewOptions;
  readonly #workers: (Worker | undefined)[] = [];
  readonly #delaysMs: number[];
  readonly #timers: Set<NodeJS.Timeout> = new Set();
  #addresses: readonly (readonly Address[])[] = [];
  /** The only worker that listens on unix sockets and has the programs that are clients. */
  #singleWorker = 0;
  /** Why those end that are ended from here. */
  readonly #reasons: WeakMap<Worker, string> = new WeakMap();
  /** Indexes of those that listen. */
  readonly #listening: Set<number> = new Set();
  /** Replacements that do not listen yet. */
  readonly #joining: Set<Promise<unknown>> = new Set();
  /** Until it is over nobody is born: it would be with the configuration before. */
  #reloading: Promise<unknown> | undefined;
  #isEnding = false;
  #hasEnded = false;
  #hasStarted = false;
  #isAwake = false;
  /** Why the last worker that ended did. */
  #lastWords = '';

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#delaysMs = Array.from({ length: options.size }, () => REPLACE_DELAY_MS);
  }

  /**
   * Starts all workers and lets them listen. Returns the addresses really bound, service by service; throws
   * `ICAPGW_LISTEN` where one cannot be.
   */
  async start(addresses: readonly (readonly Address[])[]): Promise<readonly (readonly Address[])[]> {
    const workers = this.#delaysMs.map((_, index) => this.#spawn(index));
    const [first, ...others] = workers;
    if (first === undefined) return addresses;
    // Clients that a restart cut off come back all at once, and stay with whoever listens at that moment.
    await Promise.all(workers.map((worker) => this.#loaded(worker)));
    // The first one turns port 0 into a number, which the others then share.
    this.#addresses = await this.#listen(first, addresses);
    const shared = withoutSingle(this.#addresses);
    await Promise.all(others.map((worker) => this.#listen(worker, shared)));
    this.#hasStarted = true;
    return this.#addresses;
  }

  /**
   * Lets all workers take over another configuration. Returns the addresses really bound. Throws `ICAPGW_LISTEN` where
   * one cannot be had, `ICAPGW_WORKER` where nobody could be asked: then the first worker, which is asked alone, has
   * changed nothing or has ended, and the others know of nothing.
   */
  async reload(
    next: GenerationSnapshot,
    addresses: readonly (readonly Address[])[],
  ): Promise<readonly (readonly Address[])[]> {
    const reloading = this.#reload(next, addresses);
    this.#reloading = reloading.catch(() => {});
    try {
      return await reloading;
    } finally {
      this.#reloading = undefined;
    }
  }

  async #reload(
    next: GenerationSnapshot,
    addresses: readonly (readonly Address[])[],
  ): Promise<readonly (readonly Address[])[]> {
    if (this.#options.size === 0) return addresses;
    if (this.#joining.size > 0) await Promise.all(this.#joining);
    const reusePort = this.#options.size > 1;
    // While one has the unix sockets, nobody else can listen there.
    const first = this.#workers[this.#singleWorker] ?? this.#workers.find((worker) => worker !== undefined);
    if (first === undefined) throw new RuntimeError('ICAPGW_WORKER', { detail: this.#lastWords });
    const bound = await this.#reloadOne(first, { type: 'reload', next, addresses, reusePort });
    this.#addresses = bound;
    this.#singleWorker = this.#workers.indexOf(first);
    // Without those that died meanwhile.
    const others = this.#workers.filter((worker) => worker !== undefined).filter((worker) => worker !== first);
    const message: ToWorker = { type: 'reload', next, addresses: withoutSingle(bound), reusePort };
    // One that does not follow the first ends: who replaces it is born after this, with the new configuration.
    await Promise.all(
      others.map((worker) =>
        this.#reloadOne(worker, message).catch((error) => {
          this.#end(worker, `it did not follow the others to another configuration: ${messageOf(error)}`);
        }),
      ),
    );
    if (this.#hasEnded) throw new RuntimeError('ICAPGW_WORKER', { detail: 'the gateway has ended' });
    if (this.#isAwake) this.wake();
    return bound;
  }

  async #reloadOne(worker: Worker, message: ToWorker): Promise<readonly (readonly Address[])[]> {
    const reply = answerOf(worker, 'reloaded', 'reload-failed');
    const patience = setTimeout(() => {
      this.#end(worker, `it did not answer to a reload within ${RELOAD_PATIENCE_MS / 1000} s`);
    }, RELOAD_PATIENCE_MS);
    worker.postMessage(message);
    const answer = await reply;
    clearTimeout(patience);
    if (answer?.type === 'reloaded') return answer.addresses;
    if (answer !== undefined) throw new RuntimeError('ICAPGW_LISTEN', { detail: answer.detail });
    const detail = this.#reasons.get(worker) ?? `one ended while it reloaded: ${this.#lastWords}`;
    throw new RuntimeError('ICAPGW_WORKER', { detail });
  }

  /** Ends a worker that is of no use. Another one takes its place. */
  #end(worker: Worker, reason: string): void {
    if (!this.#reasons.has(worker)) this.#reasons.set(worker, reason);
    // One that hangs in the kernel ends later, or never: its place is taken when it does.
    worker.terminate().catch(() => {});
  }

  /** Whether anybody takes connections. */
  get isListening(): boolean {
    return this.#listening.size > 0;
  }

  /** Lets programs that are clients begin: in the workers there are, and in those that come. */
  wake(): void {
    this.#isAwake = true;
    this.tell({ type: 'wake' });
  }

  tell(message: ToWorker): void {
    for (const worker of this.#workers) worker?.postMessage(message);
  }

  /** Sends a message and waits until every worker has answered it with `answer`, or has died. */
  async ask<T extends FromWorker['type']>(message: ToWorker, answer: T): Promise<Extract<FromWorker, { type: T }>[]> {
    if (message.type === 'drain' || message.type === 'cut') this.#isEnding = true;
    // Who is drained must not begin to listen again.
    if (message.type === 'drain' && this.#reloading !== undefined) await this.#reloading;
    const asked = this.#workers.filter((worker) => worker !== undefined);
    const answers = await Promise.all(
      asked.map((worker) => {
        const reply = answerOf(worker, answer);
        worker.postMessage(message);
        return reply;
      }),
    );
    return answers.filter((each) => each !== undefined);
  }

  /** Ends all threads. Their sockets close with them. One that does not end is left to the end of the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    this.#hasEnded = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const patience = setTimeout(resolve, END_PATIENCE_MS);
    for (const worker of this.#workers) worker?.unref();
    await Promise.race([Promise.all(this.#workers.map((worker) => worker?.terminate())), late]);
    clearTimeout(patience);
  }

  #spawn(index: number): Worker {
    const { snapshot, onEventPort, onFailures, onLearn } = this.#options;
    const { port1: ours, port2: theirs } = new MessageChannel();
    const worker = takeThread(index);
    worker.postMessage(snapshot(index, theirs), [theirs]);
    onEventPort(ours);
    let detail = 'it ended without a word';
    worker.on('error', (error) => {
      detail = messageOf(error);
    });
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'failures') onFailures(message.generation, message.service, message.slot);
      else if (message.type === 'learn') onLearn(message.generation, message.service, message.path);
      else if (message.type === 'listen-failed') detail = message.detail;
    });
    const startedMs = performance.now();
    worker.once('exit', () => {
      if (performance.now() - startedMs > STABLE_MS) this.#delaysMs[index] = REPLACE_DELAY_MS;
      this.#died(index, this.#reasons.get(worker) ?? detail);
    });
    this.#workers[index] = worker;
    return worker;
  }

  #died(index: number, detail: string): void {
    this.#workers[index] = undefined;
    this.#listening.delete(index);
    this.#lastWords = detail;
    // Before all have started there is nothing to replace: the start fails.
    if (this.#isEnding || !this.#hasStarted) return;
    const { onDeath } = this.#options;
    onDeath(index, detail);
    const delayMs = this.#delaysMs[index] ?? REPLACE_DELAY_MS;
    // One that dies again and again must not eat the machine.
    this.#delaysMs[index] = Math.min(LONGEST_DELAY_MS, delayMs * 2);
    this.#replaceLater(index, delayMs);
  }

  #replaceLater(index: number, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      // While draining nobody new may begin to accept.
      if (this.#isEnding) return;
      if (this.#reloading === undefined) this.#replace(index);
      else this.#replaceLater(index, REPLACE_DELAY_MS);
    }, delayMs);
    this.#timers.add(timer);
  }

  #replace(index: number): void {
    const addresses = index === this.#singleWorker ? this.#addresses : withoutSingle(this.#addresses);
    const worker = this.#spawn(index);
    const joining: Promise<unknown> = this.#listen(worker, addresses)
      .then(
        () => {
          this.#options.onReplaced(index);
          if (this.#isAwake) worker.postMessage({ type: 'wake' } satisfies ToWorker);
        },
        // One that cannot listen is of no use: its end tells why, and lets the next one try.
        () => worker.terminate(),
      )
      .then(() => this.#joining.delete(joining));
    this.#joining.add(joining);
  }

  /** Waits until a worker can listen without delay. */
  async #loaded(worker: Worker): Promise<void> {
    const reply = answerOf(worker, 'pong');
    worker.postMessage({ type: 'ping' } satisfies ToWorker);
    if ((await reply) === undefined) throw new RuntimeError('ICAPGW_WORKER', { detail: this.#lastWords });
  }

  async #listen(worker: Worker, addresses: readonly (readonly Address[])[]): Promise<readonly (readonly Address[])[]> {
    const reply = answerOf(worker, 'listening', 'listen-failed');
    worker.postMessage({ type: 'listen', addresses, reusePort: this.#options.size > 1 } satisfies ToWorker);
    const answer = await reply;
    if (answer?.type === 'listening') {
      this.#listening.add(this.#workers.indexOf(worker));
      return answer.addresses;
    }
    if (answer === undefined) throw new RuntimeError('ICAPGW_WORKER', { detail: this.#lastWords });
    // What the worker caught says already what it is about.
    throw new RuntimeError('ICAPGW_LISTEN', { detail: answer.detail });
  }
}

/** The next message of one of these types; undefined when the worker ends first. */
function answerOf<T extends FromWorker['type']>(
  worker: Worker,
  ...types: readonly T[]
): Promise<Extract<FromWorker, { type: T }> | undefined> {
  return new Promise((resolve) => {
    const finish = (answer: Extract<FromWorker, { type: T }> | undefined): void => {
      worker.off('message', onMessage);
      worker.off('exit', onExit);
      resolve(answer);
    };
    const onExit = (): void => finish(undefined);
    const onMessage = (message: FromWorker): void => {
      if (types.some((type) => type === message.type)) finish(message as Extract<FromWorker, { type: T }>);
    };
    worker.on('message', onMessage);
    worker.once('exit', onExit);
  });
}

/** A unix socket has one listener, and a program runs once: in one worker. */
function withoutSingle(addresses: readonly (readonly Address[])[]): readonly (readonly Address[])[] {
  return addresses.map((each) => each.filter(({ kind }) => kind === 'tcp'));
}
