import { describe, expect, test } from 'vitest';
import { formatAddress, parseAddress, parseBackendAddress } from '../../src/config/address.ts';
import { readConfig, serviceText } from '../_util/config-text.ts';

describe('an address', () => {
  test.each([
    ['10.0.0.5:1344', { kind: 'tcp', host: '10.0.0.5', port: 1344 }],
    ['dlp-1.example:1344', { kind: 'tcp', host: 'dlp-1.example', port: 1344 }],
    ['dlp_1.example.:65535', { kind: 'tcp', host: 'dlp_1.example.', port: 65_535 }],
    ['[2001:db8::5]:1344', { kind: 'tcp', host: '2001:db8::5', port: 1344 }],
    ['[fe80::1%eth0]:1344', { kind: 'tcp', host: 'fe80::1%eth0', port: 1344 }],
    [':0', { kind: 'tcp', host: '', port: 0 }],
    ['unix:/run/dlp.sock', { kind: 'unix', path: '/run/dlp.sock' }],
  ])('%s is read and written back', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(formatAddress(parseAddress(text) as Exclude<ReturnType<typeof parseAddress>, string>)).toBe(text);
  });

  test.each([
    ['10.0.0.5', 'the port is missing: write 10.0.0.5:1344'],
    ['10.0.0.5:', 'the port is missing: write 10.0.0.5:1344'],
    ['2001:db8::5', 'the port is missing: write "[2001:db8::5]:1344"'],
    ['::1:1344', 'an IPv6 address stands in brackets: write "[::1]:1344"'],
    ['[::1]', 'the port is missing: write "[::1]:1344"'],
    ['icap://10.0.0.5:1344/reqmod', 'without a scheme or a path: write 10.0.0.5:1344'],
    ['10.0.0.500:1344', 'must be an address such as'],
    ['10.0.5:1344', 'must be an address such as'],
    ['[::g]:1344', 'must be an address such as'],
    ['-a:1344', 'must be an address such as'],
    ['a b:1344', 'must be an address such as'],
    ['a..b:1344', 'must be an address such as'],
    [`${'a'.repeat(64)}:1344`, 'must be an address such as'],
    ['dlp:65536', 'the port must be from 0 to 65535, not "65536"'],
    ['dlp:icap', 'the port must be from 0 to 65535, not "icap"'],
    ['srv:_icap._tcp.example', 'srv: finds backends; an address to listen on is host:port or unix:/path'],
    ['unix:run/dlp.sock', 'an absolute path, such as unix:/run/dlp.sock'],
    [`unix:/${'a'.repeat(107)}`, 'at most 107 bytes'],
  ])('%s is refused', (text, message) => {
    expect(parseAddress(text)).toContain(message);
  });

  test('the longest path of a Unix socket is taken', () => {
    expect(parseAddress(`unix:/${'a'.repeat(106)}`)).toMatchObject({ kind: 'unix' });
  });
});

describe('listen', () => {
  const listen = (value: string) => readConfig(serviceText().replace('127.0.0.1:11344', value));

  test('takes one address or a list', () => {
    expect(listen('":0"').config?.services[0]?.listen).toEqual([{ kind: 'tcp', host: '', port: 0 }]);
    expect(listen('["[::1]:1", "unix:/x"]').config?.services[0]?.listen).toHaveLength(2);
  });

  test.each(['11344', '"11344"'])('a port alone, %s, is answered with an address', (value) => {
    expect(listen(value).problems).toEqual([
      '3 error: services[0].listen: the host is missing: write 0.0.0.0:11344 for every IPv4 address of this machine, or 127.0.0.1:11344',
    ]);
  });

  test.each(['true', '{}', '[[]]'])('%s is refused', (value) => {
    expect(listen(value).problems).toEqual([expect.stringContaining('must be an address such as 10.0.0.5:1344')]);
  });

  test('an empty list is refused', () => {
    expect(listen('[]').problems).toEqual(['3 error: services[0].listen: must not be an empty list']);
  });
});

describe('the address of a backend', () => {
  const backend = (value: string) => readConfig(serviceText().replace('10.0.0.5:1344', value));

  test('is kept as it was written, which also is the default name', () => {
    expect(backend('DLP.example:1344').config?.services[0]?.backends[0]).toMatchObject({
      name: 'DLP.example:1344',
      addressText: 'DLP.example:1344',
      address: { kind: 'tcp', host: 'DLP.example', port: 1344 },
    });
  });

  test.each(['_icap._tcp.dlp.example', 'icap.service.consul', 'dlp.example.'])(
    'may be by the SRV records of %s',
    (name) => {
      const text = `srv:${name}`;
      expect(parseBackendAddress(text)).toEqual({ kind: 'srv', name });
      expect(formatAddress({ kind: 'srv', name })).toBe(text);
      expect(backend(text).config?.services[0]?.backends[0]).toMatchObject({ name: text, addressText: text });
    },
  );

  test.each([
    ['srv:', 'must be srv: and the name of SRV records, such as srv:_icap._tcp.dlp.example, not "srv:"'],
    ['srv://dlp.example', 'must be srv: and the name of SRV records'],
    ['srv:10.0.0.5', 'must be srv: and the name of SRV records'],
    ['srv:a b', 'must be srv: and the name of SRV records'],
    ['srv:_icap._tcp.example:1344', 'SRV records have ports of their own: write srv:_icap._tcp.example'],
  ])('is refused as %s', (text, message) => {
    expect(backend(`"${text}"`).problems).toEqual([expect.stringContaining(message)]);
  });

  test('needs a host', () => {
    expect(backend(':1344').problems).toEqual([
      '7 error: services[0].backends[0].address: the host is missing: write 127.0.0.1:1344 for this machine',
    ]);
  });

  test('needs a port that is not 0', () => {
    expect(backend('dlp:0').problems).toEqual([expect.stringContaining('the port must be from 1 to 65535, not 0')]);
  });

  test('is needed', () => {
    expect(readConfig(serviceText().replace('address: 10.0.0.5:1344', 'name: x')).problems).toEqual([
      '7 error: services[0].backends[0].address: is missing; say where the ICAP server is, such as 10.0.0.5:1344',
    ]);
  });
});
