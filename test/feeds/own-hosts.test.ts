import { expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { ownHosts } from '../../src/feeds/own-hosts.ts';
import { readConfig } from '../_util/config-text.ts';

function configOf(text: string): Config {
  const { config, problems } = readConfig(text);
  if (config === undefined) throw new Error(problems.join('; '));
  return config;
}

test('every place that a configuration listens on or connects to is its own', () => {
  const config = configOf(`
admin: { listen: 192.0.2.1:9344, token-file: t }
services:
  - { name: a, listen: ["192.0.2.2:1344", "unix:/run/a"], protocol: tunnel, tls: off, backends: [{ address: "dlp.example:1344" }, { address: "unix:/run/b" }] }
  - { name: b, listen: "[2001:db8::2]:1345", protocol: tunnel, tls: off, backends: [{ address: "192.0.2.3:1344" }] }
feeds:
  guardduty: { host: 192.0.2.4, token: t }
  smc: { endpoint: "https://[2001:db8::5]:8082", api-key: k }
  queue: { type: rabbitmq, url: "amqps://user:password@broker.example:5671/vhost" }
`);
  expect([...ownHosts(config)].sort()).toEqual([
    ...['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '2001:db8::2', '2001:db8::5'],
    ...['broker.example', 'dlp.example'],
  ]);
});

test('what is not there is not', () => {
  const config = configOf(`
admin: { listen: off }
services: [{ name: a, listen: ":1344", protocol: tunnel, tls: off, backends: [{ address: "srv:_icap._tcp.example" }] }]
`);
  expect(ownHosts(config)).toEqual(['']);
});
