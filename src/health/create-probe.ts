import { addAbortSignal, type Duplex } from 'node:stream';
import { handshakeProbe } from './handshake-probe.ts';
import { optionsProbe } from './options-probe.ts';
import type { Probe, ProbeTarget, ProbeType, Problem } from './probe.ts';
import { problemOf } from './probe-failure.ts';

/** Why a connected member is not well, or undefined when it is. A failing stream makes it reject. */
type Conversation = (stream: Duplex, target: ProbeTarget, stop: AbortSignal) => Promise<Problem | undefined>;

const CONVERSATIONS: Readonly<Record<ProbeType, Conversation>> = {
  tcp: async () => undefined,
  tls: handshakeProbe,
  icap: optionsProbe,
};

/** Makes the probe of one member. Each run opens its own connection and closes it. */
export function createProbe(type: ProbeType, target: ProbeTarget): Probe {
  const converse = CONVERSATIONS[type];
  return async ({ timeoutMs, signal }) => {
    const startedAtMs = performance.now();
    const deadline = AbortSignal.timeout(timeoutMs);
    let waitedFor = 'connection';
    let problem: Problem | undefined;
    try {
      const stop = AbortSignal.any([signal, deadline]);
      const stream = await target.dial(stop);
      waitedFor = 'answer';
      problem = await converseOver(stream, stop, () => converse(stream, target, stop));
    } catch (error) {
      signal.throwIfAborted();
      problem = deadline.aborted
        ? { reason: 'timeout', detail: `no ${waitedFor} within ${timeoutMs} ms` }
        : problemOf(error);
    }
    const ms = performance.now() - startedAtMs;
    return problem === undefined ? { ok: true, ms } : { ok: false, ms, ...problem };
  };
}

/** Takes ownership of the stream: it is closed in good order after a success and cut after anything else. */
async function converseOver(
  stream: Duplex,
  stop: AbortSignal,
  converse: () => Promise<Problem | undefined>,
): Promise<Problem | undefined> {
  stream.on('error', ignore);
  addAbortSignal(stop, stream);
  try {
    const problem = await converse();
    if (problem !== undefined) stream.destroy();
    // FIN and close_notify instead of a cut: backends log cut connections as errors, one per probe. The signal still
    // bounds it.
    else stream.end(() => stream.destroy());
    return problem;
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/** Errors also reach whoever waits on the stream; this is for the time when nobody does. */
function ignore(): void {}
