import { expect, test } from 'vitest';
import { readStunnel } from '../../src/stunnel/reader.ts';

function read(text: string, host: 'run' | 'stunnel' = 'stunnel') {
  const { document, problems } = readStunnel(
    text,
    'stunnel.conf',
    { readDirectory: () => [], readFile: () => '' },
    host,
  );
  return {
    value: document?.value as Record<string, unknown> | undefined,
    said: problems.map(({ message }) => message),
  };
}

test('a file without sections is one service with one client, and a process that lives for it', () => {
  const { value, said } = read('service = mail\npid = /run/x.pid\ncert = a.pem\nconnect = 25\n');
  expect(said).toEqual([]);
  expect(value).toMatchObject({
    workers: 1,
    admin: { listen: 'off' },
    log: { syslog: { ident: 'mail' } },
    services: [{ name: 'mail', listen: '-', tls: { cert: 'a.pem' }, backends: [{ address: 'localhost:25' }] }],
  });
  expect(value).not.toHaveProperty('pid-file');
});

test('it may lead to a program', () => {
  expect(read('cert = a.pem\nexec = /bin/cat\n').value).toMatchObject({
    services: [{ name: 'stunnel', listen: '-', backends: [{ address: 'exec:/bin/cat' }] }],
  });
});

test.each([
  ['', 'Inetd mode: Inetd mode must define one endpoint: there is no connect'],
  ['connect = 1\n', 'Inetd mode: TLS server needs a certificate'],
  ['accept = 1\nconnect = 1\ncert = a.pem\n', "Inetd mode: 'accept' option is only allowed in a [section]"],
  ['exec = /bin/cat\nconnect = 1\ncert = a.pem\n', 'Inetd mode: Inetd mode must define one endpoint: connect and exec'],
])('%j is a mistake', (text, message) => {
  const { value, said } = read(text);
  expect(value).toBeUndefined();
  expect(said).toContainEqual(expect.stringContaining(message));
});

test('only the program stunnel takes it', () => {
  expect(read('cert = a.pem\nconnect = 25\n', 'run').said).toEqual([
    expect.stringContaining('only the program stunnel (icapgw stunnel) serves one connection on standard input'),
  ]);
});
