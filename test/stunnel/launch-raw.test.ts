import { describe, expect, test } from 'vitest';
import { looksLikeStunnel, looksLikeYaml, readStunnel } from '../../src/stunnel/reader.ts';

const SECTION = '[svc]\naccept = 1\nconnect = 2\ncert = c.pem\n';

function read(lines: string, host: 'run' | 'stunnel' = 'stunnel') {
  const sources = {
    readDirectory: () => [],
    readFile: () => '',
  };
  const { document, problems, foreground } = readStunnel(`${lines}\n${SECTION}`, 'stunnel.conf', sources, host);
  const value = document?.value as { readonly log: object; readonly 'drain-timeout'?: string } | undefined;
  return { log: value?.log, drain: value?.['drain-timeout'], foreground, said: problems.map(({ message }) => message) };
}

describe('read as by stunnel', () => {
  test('a file that says nothing goes into the background, with its log in syslog', () => {
    expect(read('')).toEqual({
      log: {
        format: 'stunnel',
        file: 'off',
        level: 'notice',
        syslog: { facility: 'daemon', ident: 'stunnel' },
      },
      drain: '5s',
      foreground: 'no',
      said: [],
    });
  });

  test.each([
    ['foreground = yes\nsyslog = no', { file: '-' }],
    ['foreground = yes\nsyslog = no\noutput = a.log', { file: 'a.log', stderr: true }],
    ['foreground = quiet\nsyslog = no', { file: 'off' }],
    ['foreground = quiet\nsyslog = no\noutput = a.log', { file: 'a.log' }],
    ['syslog = no\noutput = /a.log', { file: '/a.log' }],
    [
      'foreground = quiet\ndebug = local3.debug\nservice = x',
      { file: 'off', level: 'debug', syslog: { facility: 'local3', ident: 'x' } },
    ],
  ])('%j', (lines, log) => {
    expect(read(lines).log).toEqual({ format: 'stunnel', level: 'notice', ...log });
  });

  test('what an icapgw line says goes before', () => {
    const { log, drain } = read('icapgw.log.format = json\nicapgw.drain-timeout = 0s\nsyslog = no');
    expect([log, drain]).toEqual([{ format: 'json', file: 'off', level: 'notice' }, '0s']);
  });

  test.each(['pid', 'output'])('a relative %s is an error only where the folder is left', (name) => {
    const kind = name === 'pid' ? 'Pid' : 'Log';
    expect(read(`${name} = a`).said).toEqual([`Global options: ${kind} file must include full path name`]);
    expect(read(`foreground = quiet\n${name} = a`).said).toEqual([]);
  });
});

describe('read as by icapgw run', () => {
  test('it stays in the foreground, and says so where that differs', () => {
    const { log, drain, said } = read('foreground = no', 'run');
    expect([log, drain]).toEqual([{ level: 'notice' }, undefined]);
    expect(said).toEqual([expect.stringMatching(/^foreground: icapgw run stays in the foreground/)]);
  });

  test('syslog is only for who asks for it', () => {
    expect(read('syslog = yes', 'run').log).toEqual({
      level: 'notice',
      syslog: { facility: 'daemon', ident: 'stunnel' },
    });
  });
});

test('a text that could be either is told apart by who reads it', () => {
  for (const text of ['', '# a comment\n']) {
    expect([looksLikeStunnel(text), looksLikeYaml(text)]).toEqual([false, false]);
  }
  expect(looksLikeYaml('services:\n')).toBe(true);
});
