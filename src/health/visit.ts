import { addAbortSignal, type Duplex } from 'node:stream';
import { type Dial, isProblem, type ProbeOptions, type Problem } from './probe.ts';
import { problemOf } from './probe-failure.ts';

/** What is said over one connection. A failing stream makes it reject. */
export type Conversation<T> = (stream: Duplex, stop: AbortSignal) => Promise<T>;

/** Opens a connection of its own, has the conversation over it, and closes it. */
export type Talk = <T>(conversation: Conversation<T>) => Promise<T>;

/**
 * Asks a member something, over as many connections as `examine` wants, all within one deadline. Settles by that; what
 * goes wrong becomes a problem. Rejects only when the owner's signal was aborted.
 */
export async function visit<T>(
  dial: Dial,
  { timeoutMs, signal }: ProbeOptions,
  examine: (talk: Talk) => Promise<T>,
): Promise<T | Problem> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const stop = AbortSignal.any([signal, deadline]);
  let waitedFor = 'connection';
  try {
    return await examine(async (conversation) => {
      waitedFor = 'connection';
      const stream = await dial(stop);
      waitedFor = 'answer';
      return await converseOver(stream, stop, conversation);
    });
  } catch (error) {
    signal.throwIfAborted();
    return deadline.aborted
      ? { reason: 'timeout', detail: `no ${waitedFor} within ${timeoutMs} ms` }
      : problemOf(error);
  }
}

/** Takes ownership of the stream: it is closed in good order after a success and cut after anything else. */
async function converseOver<T>(stream: Duplex, stop: AbortSignal, conversation: Conversation<T>): Promise<T> {
  stream.on('error', ignore);
  addAbortSignal(stop, stream);
  try {
    const outcome = await conversation(stream, stop);
    if (isProblem(outcome)) stream.destroy();
    // FIN and close_notify instead of a cut: backends log cut connections as errors, one per probe. The signal still
    // bounds it.
    else stream.end(() => stream.destroy());
    return outcome;
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/** Errors also reach whoever waits on the stream; this is for the time when nobody does. */
function ignore(): void {}
