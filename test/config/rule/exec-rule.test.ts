import { describe, expect, test } from 'vitest';
import { type ReadConfig, readConfig } from '../../_util/config-text.ts';

/** A tunnel with these keys in place of its own; JSON is YAML. */
function read(keys: object): ReadConfig {
  const usual = { listen: '127.0.0.1:11344', protocol: 'tunnel', tls: 'off', backends: [{ address: '10.0.0.5:1344' }] };
  return readConfig(JSON.stringify({ services: [{ name: 'dlp', ...usual, ...keys }] }));
}

const BACKEND = { backends: [{ address: 'exec:/usr/bin/thing  thing -v' }], health: { type: 'none' } };
const CLIENT = { listen: 'exec:/usr/bin/thing' };

describe('a program as a backend', () => {
  test('has its arguments, and a name without them', () => {
    const { config, problems } = read(BACKEND);
    expect(problems).toEqual([]);
    expect(config?.services[0]?.backends[0]).toMatchObject({
      name: 'exec:/usr/bin/thing',
      address: { kind: 'exec', program: '/usr/bin/thing', args: ['thing', '-v'] },
    });
  });

  test.each([
    ['needs protocol tunnel: a program serves one connection', { ...BACKEND, protocol: 'icap' }],
    ['in backends needs type none', { ...BACKEND, health: { type: 'tcp' } }],
    [
      'starts a program for whoever connects',
      { tls: { cert: 'a.pem', 'client-auth': { ca: 'ca.pem', redirect: 'exec:/usr/bin/thing' } } },
    ],
  ])('%s', (message, keys) => {
    expect(read(keys).problems).toContainEqual(expect.stringContaining(`exec: ${message}`));
  });
});

describe('a program as the client', () => {
  test('is called by its path, and may be started again', () => {
    const { config, problems } = read({ ...CLIENT, 'exec-restart': '1s' });
    expect(problems).toEqual([]);
    expect(config?.services[0]).toMatchObject({
      listen: [{ kind: 'exec', program: '/usr/bin/thing', args: ['/usr/bin/thing'] }],
      execRestartMs: 1000,
    });
  });

  test.each([
    ['stands alone', { listen: ['exec:/usr/bin/thing', '127.0.0.1:1344'] }],
    ['needs protocol tunnel', { protocol: 'icap' }],
    ['needs tls: off', { tls: { cert: 'a.pem', 'client-auth': { mode: 'none' } } }],
    ['needs proxy-protocol.accept: off', { 'proxy-protocol': { accept: 'v1', from: ['10.0.0.0/8'] } }],
    ['does not go with exec: in backends', BACKEND],
  ])('%s', (message, keys) => {
    expect(read({ ...CLIENT, ...keys }).problems).toContainEqual(expect.stringContaining(`exec: ${message}`));
  });

  test('is the only one that exec-restart is for, and has no address that rules could be about', () => {
    expect(read({ 'exec-restart': '1s' }).problems).toContainEqual(
      expect.stringContaining('exec-restart: has no effect without a program in listen'),
    );
    expect(read({ ...CLIENT, 'allow-from': ['10.0.0.0/8'] }).problems).toContainEqual(
      expect.stringContaining('a client there has no address, it is that program alone'),
    );
  });
});

test.each(['exec:', 'exec:thing', 'exec: -x', 'exec:/usr/bin/thing\tx'])('%j is no program', (address) => {
  expect(read({ ...BACKEND, backends: [{ address }] }).problems).toContainEqual(
    expect.stringContaining('must be exec: and the absolute path of a program'),
  );
});

test('standard input and output are the only listener of the only service', () => {
  expect(read({ listen: '-' }).config?.services[0]?.listen).toEqual([{ kind: 'stdio' }]);
  expect(read({ listen: ['-', '127.0.0.1:1344'] }).problems).toContainEqual(
    expect.stringContaining('"-" stands alone: standard input and output are one connection'),
  );
  const service = { protocol: 'tunnel', tls: 'off', backends: [{ address: '10.0.0.5:1344' }] };
  const services = [
    { name: 'a', listen: '-', ...service },
    { name: 'b', listen: '127.0.0.1:1344', ...service },
  ];
  expect(readConfig(JSON.stringify({ services })).problems).toContainEqual(
    expect.stringContaining('"-" is for a configuration with one service'),
  );
});

test('standard input and output are no backend', () => {
  expect(read({ backends: [{ address: '-' }] }).problems).toContainEqual(expect.stringContaining('must be an address'));
});

test('the admin endpoint is no program', () => {
  const { problems } = readConfig(JSON.stringify({ admin: { listen: 'exec:/usr/bin/thing' } }));
  expect(problems).toContainEqual(expect.stringContaining('exec: is a program; here an address is host:port'));
});
