import { expect, test } from 'vitest';
import { readConfig, serviceText } from '../_util/config-text.ts';

const read = (servers: string) => readConfig(`${serviceText()}resolver: { servers: ${servers} }\n`);

test.each([
  ['10.0.0.53', ['10.0.0.53:53']],
  ['["127.0.0.1:5353", "2001:db8::53", "[::1]:5353"]', ['127.0.0.1:5353', '[2001:db8::53]:53', '[::1]:5353']],
  ['[]', []],
])('name servers %s', (text, servers) => {
  expect(read(text)).toMatchObject({ problems: [], config: { resolver: { servers } } });
});

test.each(['ns.example', '"10.0.0.53:0"', '"10.0.0.53:65536"', '53', 'unix:/run/dns.sock', '"::1:53:x"', '":53"'])(
  '%s is no name server',
  (text) => {
    expect(read(text).problems).toEqual([
      expect.stringContaining('resolver.servers: must be the IP address of a name server such as 10.0.0.53'),
    ]);
  },
);
