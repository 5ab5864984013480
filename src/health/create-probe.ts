import { handshakeProbe } from './handshake-probe.ts';
import { icapProbe } from './icap-probe.ts';
import type { IcapExpectation, Probe, ProbeTarget, ProbeType, Problem } from './probe.ts';
import { type Talk, visit } from './visit.ts';

/** Why a member is not well, or undefined when it is. */
type Examination = (talk: Talk, expected: IcapExpectation) => Promise<Problem | undefined>;

const EXAMINATIONS: Readonly<Record<ProbeType, Examination>> = {
  tcp: (talk) => talk(async () => undefined),
  tls: (talk) => talk(handshakeProbe),
  icap: icapProbe,
};

/** Makes the probe of one member. Each run opens its own connections and closes them. */
export function createProbe(type: ProbeType, { dial, icap }: ProbeTarget): Probe {
  const examine = EXAMINATIONS[type];
  return async (options) => {
    const startedAtMs = performance.now();
    const problem = await visit(dial, options, (talk) => examine(talk, icap));
    const ms = performance.now() - startedAtMs;
    return problem === undefined ? { ok: true, ms } : { ok: false, ms, ...problem };
  };
}
