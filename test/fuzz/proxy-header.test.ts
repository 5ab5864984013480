import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DownstreamError } from '../../src/errors.ts';
import { ProxyHeaderParser } from '../../src/net/proxy-protocol/proxy-header-parser.ts';
import { serializeProxyV1 } from '../../src/net/proxy-protocol/proxy-v1.ts';
import { serializeProxyV2 } from '../../src/net/proxy-protocol/proxy-v2.ts';
import { feed, SIGNATURE, v2 } from '../_util/proxy-bytes.ts';

const SEED = { seed: 20_260_401, numRuns: 2_000 };
const LIMIT = { v1: 107, v2: 16 + 4096 } as const;
const version = fc.constantFrom('v1' as const, 'v2' as const);
const junk = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

const v1Like = fc
  .array(
    fc.constantFrom(
      'PROXY',
      'TCP4',
      'TCP6',
      'UNKNOWN',
      ' ',
      '192.0.2.1',
      '::1',
      '80',
      '0',
      '-1',
      '\r',
      '\n',
      '\r\n',
      '%',
    ),
  )
  .map((words) => Buffer.from(`PROXY ${words.join('')}\r\n`));
const v2Like = fc
  .record({
    versionAndCommand: fc.constantFrom(0x20, 0x21, 0x11),
    family: fc.nat(0x33),
    payload: junk,
    surplus: fc.nat(9),
  })
  .map(({ surplus, ...parts }) => v2({ ...parts, length: parts.payload.length + surplus }));
const opening = junk.map((bytes) => Buffer.concat([SIGNATURE, bytes]));

test('any bytes give a header, a typed error, or a wait below the limit', () => {
  fc.assert(
    fc.property(version, fc.oneof(junk, v1Like, v2Like, opening), fc.nat(40), (which, bytes, step) => {
      const parser = new ProxyHeaderParser({ version: which, peer: 'peer' });
      for (let at = 0; at < bytes.length; at += step + 1) {
        try {
          const result = parser.push(bytes.subarray(at, at + step + 1));
          if (result !== undefined) return;
        } catch (error) {
          expect(error).toBeInstanceOf(DownstreamError);
          expect(error).toMatchObject({ code: 'ICAPGW_PROXY_HEADER', peer: 'peer' });
          return;
        }
      }
      expect(bytes.length).toBeLessThan(LIMIT[which]);
    }),
    SEED,
  );
});

test('any chunking gives the same outcome', () => {
  const outcome = (which: 'v1' | 'v2', chunks: readonly Buffer[]): unknown => {
    try {
      return feed(which, chunks);
    } catch (error) {
      return error instanceof DownstreamError ? error.code : error;
    }
  };
  fc.assert(
    fc.property(version, fc.oneof(v1Like, v2Like, opening), fc.nat(400), (which, bytes, cut) => {
      expect(outcome(which, [bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(outcome(which, [bytes]));
    }),
    SEED,
  );
});

test('what is written is read back with both versions', () => {
  const port = fc.nat(65_535);
  const pair = fc.oneof(fc.tuple(fc.ipV4(), fc.ipV4()), fc.tuple(fc.ipV6(), fc.ipV6()));
  fc.assert(
    fc.property(pair, port, port, ([source, destination], sourcePort, destinationPort) => {
      const endpoints = {
        source: { address: source, port: sourcePort },
        destination: { address: destination, port: destinationPort },
      };
      const v1Header = feed('v1', [serializeProxyV1(endpoints)]);
      const v2Header = feed('v2', [serializeProxyV2(endpoints)]);
      expect(v1Header?.header.endpoints?.source.port).toBe(sourcePort);
      expect(v2Header).toEqual(v1Header);
    }),
    SEED,
  );
});
