import { describe, expect, test } from 'vitest';
import { createProbe } from '../../src/health/create-probe.ts';
import type { IcapExpectation, ProbeResult, ProbeType } from '../../src/health/probe.ts';
import { createDial, type ProbedServer, refusedPort } from '../_util/health-server.ts';
import { expectation } from '../_util/health-target.ts';

const NEVER = new AbortController().signal;

/** Runs one probe of a port, with nobody to interrupt it. */
export async function probePort(
  type: ProbeType,
  port: number,
  wishes: Partial<IcapExpectation> = {},
): Promise<ProbeResult> {
  const { dial, sockets } = createDial(port);
  const icap = expectation({ authority: `127.0.0.1:${port}`, ...wishes });
  const result = await createProbe(type, { dial, icap })({ timeoutMs: 10_000, signal: NEVER });
  await expect.poll(() => sockets.every((socket) => socket.destroyed)).toBe(true);
  return result;
}

/** The same for a port behind which nobody speaks. Connected beforehand: the short deadline is for the answer alone. */
export async function probeSilence(type: ProbeType, port: number): Promise<ProbeResult> {
  const socket = await createDial(port).dial(NEVER);
  const probe = createProbe(type, { dial: async () => socket, icap: expectation() });
  const result = await probe({ timeoutMs: 20, signal: NEVER });
  await expect.poll(() => socket.destroyed).toBe(true);
  return result;
}

/** What the checker relies on, whatever the probe says to the member. */
export function describeProbe(type: ProbeType, startWell: () => Promise<ProbedServer>): void {
  describe('as any probe', () => {
    test('a member that is well passes and sees the connection end in good order', async () => {
      await using server = await startWell();
      expect(await probePort(type, server.port)).toEqual({ ok: true, ms: expect.any(Number) });
      expect(await server.closed).toBe('ended');
    });

    test('each run opens a connection of its own', async () => {
      await using server = await startWell();
      const probe = createProbe(type, { ...createDial(server.port), icap: expectation() });
      await probe({ timeoutMs: 10_000, signal: NEVER });
      await probe({ timeoutMs: 10_000, signal: NEVER });
      expect(server.connections()).toBe(2);
    });

    test('a closed port is refused', async () => {
      const result = await probePort(type, await refusedPort());
      expect(result).toMatchObject({ ok: false, reason: 'refused', detail: expect.stringContaining('ECONNREFUSED') });
    });

    test('a member that does not accept is ended by the deadline', async () => {
      const dial = (signal: AbortSignal) =>
        new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      const probe = createProbe(type, { dial, icap: expectation() });
      expect(await probe({ timeoutMs: 5, signal: NEVER })).toMatchObject({
        ok: false,
        reason: 'timeout',
        detail: 'no connection within 5 ms',
      });
    });

    test('an owner who gives up gets a rejection, not a verdict', async () => {
      const owner = new AbortController();
      const dial = async (signal: AbortSignal): Promise<never> => {
        owner.abort(new Error('reload'));
        throw signal.reason;
      };
      const probe = createProbe(type, { dial, icap: expectation() });
      await expect(probe({ timeoutMs: 10_000, signal: owner.signal })).rejects.toThrow('reload');
    });

    test('a mistake in the program is not taken for an illness of the member', async () => {
      const dial = async (): Promise<never> => {
        throw new TypeError('not a function');
      };
      const probe = createProbe(type, { dial, icap: expectation() });
      await expect(probe({ timeoutMs: 10_000, signal: NEVER })).rejects.toThrow(TypeError);
    });
  });
}
