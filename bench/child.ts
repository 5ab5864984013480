import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromLoad, LoadOrder, LoadResult, ToLoad } from './load/protocol.ts';

/** A process of the bench's own. Disposing closes its channel, at which it ends. */
interface BenchChild extends Disposable {
  send(message: ToLoad): void;
  /** The next message of a kind; throws where the child fails, ends or stays silent for too long. */
  next<T extends { readonly kind: string }>(): Promise<T>;
}

export interface Backend extends Disposable {
  readonly port: number;
}

const SILENCE_LIMIT_MS = 120_000;

export async function startBackend(): Promise<Backend> {
  const child = startChild('./backend.ts');
  const { port } = await child.next<{ kind: 'listening'; port: number }>();
  return { port, [Symbol.dispose]: () => child[Symbol.dispose]() };
}

/** A load generator that has opened what it keeps and warmed the peer up. */
export class LoadProcess implements Disposable {
  readonly #child: BenchChild = startChild('./load/main.ts');

  async prepare(order: LoadOrder): Promise<void> {
    this.#child.send({ kind: 'prepare', order });
    await this.#expect('ready');
  }

  async measure(): Promise<LoadResult> {
    this.#child.send({ kind: 'go' });
    return (await this.#expect('done')).result;
  }

  [Symbol.dispose](): void {
    this.#child[Symbol.dispose]();
  }

  async #expect<K extends FromLoad['kind']>(kind: K): Promise<Extract<FromLoad, { kind: K }>> {
    const message = await this.#child.next<FromLoad>();
    if (message.kind === 'failed') throw new Error(message.reason);
    if (message.kind !== kind) throw new Error(`a load generator said ${message.kind} instead of ${kind}`);
    return message as Extract<FromLoad, { kind: K }>;
  }
}

function startChild(script: string): BenchChild {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = fork(path, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  return {
    send: (message) => child.send(message),
    next: () => nextMessage(child),
    [Symbol.dispose]: () => {
      if (child.connected) child.disconnect();
    },
  };
}

function nextMessage<T>(child: ChildProcess): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onMessage = (message: unknown): void => resolve(message as T);
  const onExit = (): void => reject(new Error('a process of the bench ended by itself'));
  const onSilence = (): void => reject(new Error(`nothing was heard for ${SILENCE_LIMIT_MS / 1_000} s`));
  const timer = setTimeout(onSilence, SILENCE_LIMIT_MS);
  child.once('message', onMessage).once('exit', onExit);
  return promise.finally(() => {
    clearTimeout(timer);
    child.off('message', onMessage).off('exit', onExit);
  });
}
