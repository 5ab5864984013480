import { expect, test } from 'vitest';
import type { ServiceConfig } from '../../src/config/config.ts';
import { readConfig, serviceText } from '../_util/config-text.ts';

function servicesOf(clientAuth: string, extra = ''): readonly ServiceConfig[] {
  const tls = `{ cert: a.pem, client-auth: { ca: ca.pem, ${clientAuth} } }`;
  const { config, problems } = readConfig(serviceText({ tls, extra }));
  if (config === undefined) throw new Error(problems.join('; '));
  return config.services;
}

test('a service that does not redirect stands alone', () => {
  expect(servicesOf('trust: auto').map(({ name }) => name)).toEqual(['dlp']);
});

test('redirected clients have a service that nothing else leads to', () => {
  const [own, redirect] = servicesOf('redirect: [10.0.0.9:80, "unix:/run/sorry.sock"]');
  expect(own).toMatchObject({ name: 'dlp', redirectOf: undefined });
  expect(redirect).toMatchObject({
    ...{ name: 'dlp redirect', redirectOf: 'dlp', listen: [], sni: undefined, tls: undefined, protocol: 'tunnel' },
    backends: [
      { name: '10.0.0.9:80', priority: 0, weight: 1, address: { kind: 'tcp', host: '10.0.0.9', port: 80 } },
      { name: 'unix:/run/sorry.sock', priority: 1, weight: 1, address: { kind: 'unix', path: '/run/sorry.sock' } },
    ],
  });
});

test('in turn, an address that is named twice has two turns', () => {
  const [, redirect] = servicesOf('redirect: [10.0.0.9:80, 10.0.0.8:80, 10.0.0.9:80], redirect-balance: round-robin');
  expect(redirect?.backends).toMatchObject([
    { name: '10.0.0.9:80', priority: 0, weight: 2 },
    { name: '10.0.0.8:80', priority: 0, weight: 1 },
  ]);
});

test('what an address was asked about once is not asked about again', () => {
  const extra = [
    'deny-from: [192.0.2.0/24]',
    'limits: { connections: 7, connections-per-source: 3, handshakes-per-source: 5/s }',
    'proxy-protocol: { accept: v1, from: [10.0.0.0/8], send: v2 }',
    'health: { type: icap, path: /avscan }',
  ].join('\n');
  const [, redirect] = servicesOf('redirect: 10.0.0.9:80', extra);
  expect(redirect).toMatchObject({
    denyFrom: [],
    limits: { connections: 7, connectionsPerSource: 0, handshakesPerSource: 0 },
    proxyProtocol: { accept: 'off', send: 'v2' },
    health: { type: 'tcp', path: undefined },
  });
});
