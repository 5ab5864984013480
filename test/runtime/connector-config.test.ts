import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/config/address.ts';
import type { AdminConfig } from '../../src/config/config.ts';
import type { LoadedConfig } from '../../src/config/load.ts';
import { loadConnectorConfig } from '../../src/runtime/connector-config.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

async function load(text: string, listen?: string): Promise<LoadedConfig> {
  using folder = createConfigFolder({ 'c.yaml': text });
  const admin = listen === undefined || listen === 'off' ? listen : (parseAddress(listen) as AdminConfig['listen']);
  return await loadConnectorConfig({ source: 'c.yaml', admin, cwd: folder.path, env: {}, streams: false });
}

const FEEDS = 'feeds: { guardduty: { token: t } }\n';

describe('the configuration of a connector', () => {
  test('has of a native file what the feed alone needs, and no service', async () => {
    const text = `${FEEDS}log: { level: debug }
admin: { listen: 127.0.0.1:9999 }
drain-timeout: 3s
block-list: { allow: 203.0.113.0/24 }
services:
  - { name: s, listen: ":1344", protocol: tunnel, tls: off, backends: [{ address: "127.0.0.1:1345" }] }
`;
    expect((await load(text)).config).toMatchObject({
      ...{ services: [], workers: 0, drainTimeoutMs: 3000, log: { level: 'debug' } },
      admin: { listen: { host: '127.0.0.1', port: 9999 } },
      blockList: { allow: ['203.0.113.0/24'] },
      feeds: { guardDuty: { token: { value: 't' } } },
    });
  });

  test.each([
    ['127.0.0.1:1', { kind: 'tcp', host: '127.0.0.1', port: 1 }],
    ['unix:/run/x', { kind: 'unix', path: '/run/x' }],
    ['off', 'off'],
  ])('has the admin endpoint that is asked for, whatever it says itself: %s', async (asked, listen) => {
    const { config } = await load(`${FEEDS}admin: { listen: 127.0.0.1:9999 }\n`, asked);
    expect(config?.admin).toMatchObject({ listen, explicit: true });
  });

  test('has none that everybody can reach without a token', async () => {
    const open = await load(FEEDS, '0.0.0.0:9344');
    expect(open.config).toBeUndefined();
    expect(open.problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^--admin: .*admin\.token-file/),
    ]);
    expect((await load(`${FEEDS}admin: { token-file: t }\n`, '0.0.0.0:9344')).config).toBeDefined();
  });

  test.each(['ftp://intranet.example/feed.yaml', 'file:///etc/icapgw.yaml', 's3://user:geheim@bucket/x'])(
    'is not at %s',
    async (source) => {
      const options = { admin: undefined, cwd: '/', env: {}, streams: false };
      const { config, problems } = await loadConnectorConfig({ ...options, source });
      expect(config).toBeUndefined();
      expect(problems).toMatchObject([{ severity: 'error', message: expect.stringContaining('http or https URL') }]);
      expect(JSON.stringify(problems)).not.toContain('geheim');
    },
  );
});
