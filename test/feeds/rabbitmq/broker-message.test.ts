import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeEnvelope, type Envelope, encodeEnvelope } from '../../../src/feeds/rabbitmq/broker-message.ts';

const SIGHTING = {
  address: '198.51.100.0',
  source: 'guardduty',
  type: 'Recon:EC2/Portscan',
  untilMs: 2e12,
  findings: 3,
};

function envelope(message: Envelope['message']): Envelope {
  return { message, from: 'a1', sentMs: 1e12 };
}

function decoded(fields: object): Envelope | undefined {
  return decodeEnvelope(Buffer.from(JSON.stringify({ format: 1, from: 'a1', sentMs: 1e12, ...fields })));
}

describe('what gateways tell each other', () => {
  test.each<Envelope['message']>([
    { kind: 'sighting', sighting: SIGHTING, notBeforeMs: undefined },
    { kind: 'sighting', sighting: { ...SIGHTING, address: '2001:db8::1' }, notBeforeMs: 1.5e12 },
    {
      kind: 'settled',
      settlements: (['added', 'pending', 'rejected', 'gone'] as const).map((outcome) => ({
        address: '198.51.100.0',
        engine: 'NGFW 1',
        outcome,
        heldUntilMs: 0,
      })),
    },
    { kind: 'concluded', addresses: ['198.51.100.0', '2001:db8::1'] },
    { kind: 'withdrawn', addresses: ['198.51.100.0'] },
  ])('arrives as it was sent: $kind', (message) => {
    expect(decodeEnvelope(encodeEnvelope(envelope(message)))).toEqual(envelope(message));
  });

  test.each([
    { kind: 'other' },
    { kind: 'sighting' },
    { kind: 'sighting', sighting: { ...SIGHTING, address: '198.51.100.0/8' } },
    { kind: 'sighting', sighting: { ...SIGHTING, address: '2001:DB8::1' } },
    { kind: 'sighting', sighting: { ...SIGHTING, type: 'two\nlines' } },
    { kind: 'sighting', sighting: { ...SIGHTING, type: 'x'.repeat(257) } },
    { kind: 'sighting', sighting: { ...SIGHTING, untilMs: -1 } },
    { kind: 'sighting', sighting: { ...SIGHTING, untilMs: 1.5 } },
    { kind: 'sighting', sighting: SIGHTING, notBeforeMs: 'soon' },
    { kind: 'settled', settlements: [{ address: '198.51.100.0', engine: 'e', outcome: 'lost', heldUntilMs: 0 }] },
    { kind: 'concluded', addresses: ['198.51.100.0', 'localhost'] },
    { kind: 'withdrawn', addresses: '198.51.100.0' },
    { kind: 'concluded', addresses: ['198.51.100.0'], from: '' },
    { kind: 'concluded', addresses: ['198.51.100.0'], sentMs: null },
    { kind: 'concluded', addresses: ['198.51.100.0'], format: 2 },
  ])('is left alone where no gateway would send it: %j', (fields) => {
    expect(decoded(fields)).toBeUndefined();
  });

  test('has a length that ends', () => {
    const addresses = (count: number): readonly string[] => Array.from({ length: count }, () => '::1');
    expect(decoded({ kind: 'concluded', addresses: addresses(10_000) })).toBeDefined();
    expect(decoded({ kind: 'concluded', addresses: addresses(10_001) })).toBeUndefined();
    expect(decodeEnvelope(Buffer.alloc(1024 * 1024 + 1, 0x20))).toBeUndefined();
  });

  test('never fails, whatever others write', () => {
    const fields = fc.record({ kind: fc.constantFrom('sighting', 'settled', 'concluded'), sighting: fc.jsonValue() });
    const content = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => Buffer.from(text)),
      fields.map((value) => Buffer.from(JSON.stringify({ format: 1, from: 'x', sentMs: 0, ...value }))),
    );
    fc.assert(
      fc.property(content, (bytes) => {
        expect(decodeEnvelope(Buffer.from(bytes))).toBeUndefined();
      }),
    );
  });
});
