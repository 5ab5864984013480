import { describe, expect, test } from 'vitest';
import { problemText, systemError } from '../../../src/cli/stunnel/start-text.ts';
import type { Problem } from '../../../src/errors.ts';

function problem(change: Partial<Problem>): Problem {
  return {
    severity: 'error',
    file: '/etc/stunnel/a.conf',
    line: 2,
    message: 'foreground: The argument needs to be yes',
    code: 'ICAPGW_CONFIG_INVALID',
    ...change,
  };
}

describe('a problem', () => {
  const texts = new Map([
    ['/etc/stunnel/a.conf', '\uFEFF; a comment\r\n  Foreground = maybe\r\n[svc]\r\nprotocolPassword = hunter2\r\n'],
  ]);

  test('is told with its line as it stands there, and the name of the option once', () => {
    expect(problemText(problem({}), texts)).toBe(
      '/etc/stunnel/a.conf:2: "  Foreground = maybe": The argument needs to be yes [ICAPGW_CONFIG_INVALID]',
    );
  });

  test('of a whole file has no line', () => {
    expect(problemText(problem({ line: 0, message: 'does not exist' }), texts)).toBe(
      '/etc/stunnel/a.conf: does not exist [ICAPGW_CONFIG_INVALID]',
    );
    expect(problemText(problem({ line: 0, message: 'Global options: Pid file' }), texts)).toBe(
      'Global options: Pid file [ICAPGW_CONFIG_INVALID]',
    );
  });

  test('in a file that was not read has a place alone', () => {
    expect(problemText(problem({ file: '/other', message: 'x' }), texts)).toBe('/other:2: x [ICAPGW_CONFIG_INVALID]');
  });

  test('shows no secret', () => {
    expect(problemText(problem({ line: 4, message: 'x' }), texts)).toBe(
      '/etc/stunnel/a.conf:4: "protocolPassword = ***": x [ICAPGW_CONFIG_INVALID]',
    );
    for (const option of ['ticketKeySecret', 'ticketMacSecret', 'icapgw.tls.ticket-secret']) {
      const written = new Map([['/etc/stunnel/a.conf', `${option} = hunter2\n`]]);
      expect(problemText(problem({ line: 1, message: 'x' }), written)).not.toContain('hunter2');
    }
  });
});

test('errors of the system have the words and numbers of Linux, others their own', () => {
  expect(systemError(Object.assign(new Error('x'), { code: 'EACCES' }))).toBe('Permission denied (13)');
  expect(systemError(Object.assign(new Error('it is odd'), { code: 'EODD' }))).toBe('it is odd');
});
