import { describe, expect, test } from 'vitest';
import { readConfig, serviceText } from '../../_util/config-text.ts';

const LOW_PORT = serviceText().replace('127.0.0.1:11344', '127.0.0.1:344');

describe('setuid', () => {
  test.each(['nobody', '_icapgw', 'svc$', 65_534])('takes %s', (account) => {
    const { config, problems } = readConfig(`${serviceText()}setuid: ${account}\nsetgid: ${account}\n`);
    expect(problems).toEqual([]);
    expect(config).toMatchObject({ setuid: String(account), setgid: String(account) });
  });

  test.each(['-1', '4294967295', '1.5', '"a b"', '"a:b"', '[]', 'true'])('does not take %s', (account) => {
    expect(readConfig(`${serviceText()}setuid: ${account}\n`).problems).toEqual([
      expect.stringMatching(/^8 error: setuid: must be the name or the number of an account of this machine, not /),
    ]);
  });

  test('without setgid leaves the group as it is', () => {
    expect(readConfig(`${serviceText()}setuid: nobody\n`).problems).toEqual([
      '8 warning: setuid: the user is changed and the group is not; add setgid',
    ]);
  });

  test('does not go well with a port that only root may listen on', () => {
    expect(readConfig(`${LOW_PORT}setuid: nobody\nsetgid: nogroup\n`).problems).toEqual([
      expect.stringMatching(/^8 warning: setuid: .* 127\.0\.0\.1:344 .*AmbientCapabilities=CAP_NET_BIND_SERVICE/),
    ]);
  });

  test('left out, says nothing about such a port', () => {
    expect(readConfig(LOW_PORT).problems).toEqual([]);
  });
});
