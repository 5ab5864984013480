import type { IcapExpectation } from '../../src/health/probe.ts';

/** What an icap probe asks for when nobody says otherwise: a sign of life. */
export function expectation(wishes: Partial<IcapExpectation> = {}): IcapExpectation {
  return { authority: 'dlp:1344', path: undefined, methods: [], deep: undefined, onOptions: () => {}, ...wishes };
}
