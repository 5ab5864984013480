import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { peerOfEndpoints, peerOfSocket } from '../../src/gateway/peer.ts';

test.each([
  { address: '192.0.2.1', text: '192.0.2.1:40000' },
  { address: '2001:db8::1', text: '[2001:db8::1]:40000' },
])('a client at $address is written as $text', ({ address, text }) => {
  const endpoints = { source: { address, port: 40_000 }, destination: { address, port: 443 } };
  expect(peerOfEndpoints(endpoints)).toEqual({ address, text, endpoints });
});

test('a unix client has no address', () => {
  const peer = peerOfSocket(new Socket(), { isUnix: true, withEndpoints: true });
  expect(peer).toEqual({ address: undefined, text: 'unix', endpoints: undefined });
});

test('a client that has gone already is nobody', () => {
  expect(peerOfSocket(new Socket(), { isUnix: false, withEndpoints: false })).toBeUndefined();
});
