import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Feed } from '../../src/feeds/feed.ts';
import { loadFeedMaterial } from '../../src/feeds/feed-material.ts';
import { FeedCounts } from '../../src/observe/feed-counts.ts';
import type { LogEventName, LogEvents } from '../../src/observe/log-event.ts';
import { loadKeyPair } from '../../src/tls/material.ts';
import { certificates } from '../_util/certificates.ts';
import { type ConfigFolder, createConfigFolder } from '../_util/config-folder.ts';
import { createFeedClock, type FakeFeedClock } from '../_util/feed-clock.ts';

const NATIVE = 'feeds: { duration: 60s, guardduty: { host: 127.0.0.1, port: 0, token: t } }\n';

interface FeedRig extends AsyncDisposable {
  readonly feed: Feed;
  readonly clock: FakeFeedClock;
  readonly counts: FeedCounts;
  readonly events: readonly (readonly [event: string, fields: object])[];
  post(...addresses: readonly string[]): Promise<string>;
}

function configOf(folder: ConfigFolder, text: string): Config {
  writeFileSync(join(folder.path, 'config.yaml'), text);
  const { config, problems } = loadConfig('config.yaml', folder.path, { role: 'connector' });
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return config;
}

async function startFeed(
  folder: ConfigFolder,
  text: string,
  clock = createFeedClock(),
  backends: readonly string[] = ['203.0.113.200'],
): Promise<FeedRig> {
  const config = configOf(folder, text);
  const events: [string, object][] = [];
  const counts = new FeedCounts(['guardduty']);
  const feed = await Feed.open({
    ...{ config, folder: folder.path, clock, counts },
    material: loadFeedMaterial(config.feeds ?? { guardDuty: undefined }),
    random: () => 0.5,
    backends: () => backends,
    log: {
      log<E extends LogEventName>(event: E, fields: LogEvents[E]) {
        events.push([event, fields]);
      },
    },
  });
  await feed.start();
  return {
    ...{ feed, clock, counts, events },
    async post(...addresses) {
      const response = await fetch(`http://${feed.address}/api`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-icapgw-token': 't' },
        body: JSON.stringify(addresses.map((address) => ({ remote_ip: address, event_type: 'T' }))),
      });
      return `${response.status} ${response.headers.get('x-icapgw-result')}`;
    },
    [Symbol.asyncDispose]: () => feed[Symbol.asyncDispose](),
  };
}

function held({ feed }: FeedRig): string[] {
  return [...feed.queue.entries()].map(({ address }) => address);
}

test('a block is lifted when its address comes to be one of a backend', async () => {
  using folder = createConfigFolder({});
  const backends: string[] = [];
  await using rig = await startFeed(folder, NATIVE, undefined, backends);
  await rig.post('198.51.100.0', '198.51.100.1', '64:ff9b::198.51.100.0', '64:ff9b::198.51.100.1');
  backends.push('198.51.100.1');
  await vi.waitFor(() => {
    rig.clock.advance(1000);
    expect(held(rig)).toEqual(['198.51.100.0', '64:ff9b::c633:6400']);
  });
  expect(rig.events).toContainEqual(['feed-address-lifted', { address: '198.51.100.1', reason: 'own' }]);
});

test('a finding is an entry until its time is over, also after a restart', async () => {
  using folder = createConfigFolder({});
  const clock = createFeedClock();
  {
    await using first = await startFeed(folder, NATIVE, clock);
    expect(await first.post('198.51.100.0', '2001:DB8::1', '198.51.100.0')).toBe(
      '200 blocked=2, extended=0, ignored=0',
    );
    expect(first.feed.queue.find('198.51.100.0')).toMatchObject({ findings: 2, type: 'T', source: 'guardduty' });
    clock.advance(59_000);
  }
  await using second = await startFeed(folder, NATIVE, clock);
  expect(held(second)).toEqual(['198.51.100.0', '2001:db8::1']);
  clock.advance(750);
  expect(held(second)).toHaveLength(2);
  clock.advance(500);
  expect(held(second)).toEqual([]);
  expect(second.events).toEqual(expect.arrayContaining([['feed-address-expired', { address: '198.51.100.0' }]]));
});

test('a finding blocks from when it comes, however long ago it was made', async () => {
  using folder = createConfigFolder({});
  await using rig = await startFeed(folder, NATIVE);
  const finding = {
    ...{ type: 'T', createdAt: '2019-01-01T00:00:00Z', updatedAt: '2019-01-02T00:00:00Z' },
    service: { action: { awsApiCallAction: { remoteIpDetails: { ipAddressV4: '198.51.100.0' } } } },
  };
  const post = async (): Promise<string | null> => {
    const headers = { 'content-type': 'application/json', 'x-icapgw-token': 't' };
    const body = JSON.stringify({ detail: finding, time: '2019-01-01T00:00:00Z' });
    return (await fetch(`http://${rig.feed.address}/`, { method: 'POST', headers, body })).headers.get(
      'x-icapgw-result',
    );
  };
  const until = (): number | undefined => rig.feed.queue.find('198.51.100.0')?.untilMs;
  expect(await post()).toBe('blocked=1, extended=0, ignored=0');
  expect(until()).toBe(rig.clock.nowMs() + 60_000);
  rig.clock.advance(30_000);
  expect(await post()).toBe('blocked=0, extended=1, ignored=0');
  expect(until()).toBe(rig.clock.nowMs() + 60_000);
});

test('what ended while nobody ran is not there', async () => {
  using folder = createConfigFolder({});
  const clock = createFeedClock();
  {
    await using first = await startFeed(folder, NATIVE, clock);
    await first.post('198.51.100.0');
  }
  clock.advance(60_000);
  await using second = await startFeed(folder, NATIVE, clock);
  expect(held(second)).toEqual([]);
});

test('what must not be blocked is counted by reason, and answered all the same', async () => {
  using folder = createConfigFolder({});
  const text = `${NATIVE.replace('duration', 'blockable: 10.0.0.0/8, duration')}block-list: { allow: [198.51.100.0/24] }\nadmin: { listen: "203.0.113.9:1", token-file: t }\n`;
  await using rig = await startFeed(folder, text);
  const addresses = [
    '203.0.113.9',
    '203.0.113.200',
    '198.51.100.7',
    '127.0.0.2',
    '192.168.1.1',
    '10.1.1.1',
    '203.0.113.1',
  ];
  expect(await rig.post(...addresses)).toBe('200 blocked=2, extended=0, ignored=5');
  expect(held(rig)).toEqual(['10.1.1.1', '203.0.113.1']);
  expect(Object.fromEntries(Array.from(rig.counts.ignoredCounts, ([[, reason], count]) => [reason, count]))).toEqual({
    ...{ own: 2, allowed: 1, reserved: 1, private: 1, archived: 0, severity: 0 },
  });
  expect(rig.events.filter(([event]) => event === 'feed-address-ignored').map(([, fields]) => fields)).toEqual([
    { feed: 'guardduty', address: '203.0.113.9', reason: 'own' },
    { feed: 'guardduty', address: '203.0.113.200', reason: 'own' },
    { feed: 'guardduty', address: '198.51.100.7', reason: 'allowed' },
    { feed: 'guardduty', address: '127.0.0.2', reason: 'reserved' },
    { feed: 'guardduty', address: '192.168.1.1', reason: 'private' },
  ]);
});

test('more than it may hold stays with the sender', async () => {
  using folder = createConfigFolder({});
  await using rig = await startFeed(folder, NATIVE.replace('duration', 'max-entries: 2, duration'));
  expect(await rig.post('198.51.100.1', '198.51.100.2', '198.51.100.3')).toBe('503 null');
  expect(held(rig)).toEqual([]);
  expect(Array.from(rig.counts.addressCounts).every(([, count]) => count === 0)).toBe(true);
  expect(await rig.post('198.51.100.1', '198.51.100.2')).toBe('200 blocked=2, extended=0, ignored=0');
});

describe('another configuration', () => {
  test('holds for what comes, and lifts what must not be blocked any more', async () => {
    using folder = createConfigFolder({});
    await using rig = await startFeed(folder, NATIVE);
    await rig.post('198.51.100.1', '203.0.113.1');
    const next = `${NATIVE.replace('60s', '10s')}block-list: { allow: [198.51.100.0/24] }\n`;
    await rig.feed.reload(configOf(folder, next));
    expect(held(rig)).toEqual(['203.0.113.1']);
    expect(rig.events).toEqual(
      expect.arrayContaining([['feed-address-lifted', { address: '198.51.100.1', reason: 'allowed' }]]),
    );
    expect(await rig.post('198.51.100.1', '203.0.113.2')).toBe('200 blocked=1, extended=0, ignored=1');
    expect(rig.feed.queue.find('203.0.113.2')?.untilMs).toBe(rig.clock.nowMs() + 10_000);
  });

  test('whose secret is gone changes nothing of it', async () => {
    using folder = createConfigFolder({ token: 't' });
    const text = NATIVE.replace('token: t', 'token-file: token');
    await using rig = await startFeed(folder, text);
    const next = configOf(folder, text.replace('60s', '10s'));
    writeFileSync(join(folder.path, 'token'), '');
    await expect(rig.feed.reload(next)).rejects.toMatchObject({ code: 'ICAPGW_FEED_STATE' });
    expect(await rig.post('198.51.100.1')).toBe('200 blocked=1, extended=0, ignored=0');
    expect(rig.feed.queue.find('198.51.100.1')?.untilMs).toBe(rig.clock.nowMs() + 60_000);
  });

  test('without the listener closes it', async () => {
    using folder = createConfigFolder({});
    await using rig = await startFeed(folder, NATIVE);
    const { address } = rig.feed;
    await rig.feed.reload(configOf(folder, 'feeds: { smc: { endpoint: "127.0.0.1:1", api-key: k } }\n'));
    await expect(fetch(`http://${address}/`)).rejects.toThrow();
  });

  test('with an SMC begins to relay, and one without ends it', async () => {
    using folder = createConfigFolder({});
    await using rig = await startFeed(folder, NATIVE);
    await rig.post('198.51.100.1');
    expect(rig.feed.status()).toEqual({
      queue: { type: 'embedded', depth: 0, oldestSeconds: 0 },
      smc: null,
      trouble: undefined,
    });
    const smc = 'smc: { endpoint: "127.0.0.1:1", api-key: k }';
    await rig.feed.reload(configOf(folder, NATIVE.replace('duration', `${smc}, duration`)));
    rig.clock.advance(1000);
    await vi.waitFor(() => expect(rig.feed.status().smc?.lastError).toMatch(/ECONNREFUSED/));
    expect(rig.feed.status().queue).toEqual({ type: 'embedded', depth: 1, oldestSeconds: 1 });
    await rig.feed.reload(configOf(folder, NATIVE));
    expect(rig.feed.status().smc).toBeNull();
  });
});

test('another certificate is shown from the next connection on, and its end is told', async () => {
  using folder = createConfigFolder({});
  const lab = certificates();
  const text = NATIVE.replace('token: t', `token: t, tls: { cert: ${lab.server.cert}, key: ${lab.server.key} }`);
  await using rig = await startFeed(folder, text);
  const shown = async (): Promise<string> => {
    const socket = connect({
      port: Number(rig.feed.address?.split(':').at(-1)),
      host: '127.0.0.1',
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    return new X509Certificate(raw).fingerprint256;
  };
  const certificateOf = (file: string): X509Certificate => new X509Certificate(readFileSync(file));
  expect(await shown()).toBe(certificateOf(lab.server.cert).fingerprint256);
  const { cert: certFile, key: keyFile } = lab.selfSignedServer;
  rig.feed.useKeyPair(loadKeyPair({ certFile, keyFile, passphraseFile: undefined, securityLevel: undefined }));
  expect(await shown()).toBe(certificateOf(certFile).fingerprint256);
  expect(rig.feed.metrics.certificateEndMs()).toBe(Date.parse(certificateOf(certFile).validTo));
});

test('at its end it takes nothing more, and what it took is kept', async () => {
  using folder = createConfigFolder({});
  await using rig = await startFeed(folder, NATIVE);
  const { address } = rig.feed;
  await rig.feed.stopTaking();
  await expect(fetch(`http://${address}/`)).rejects.toThrow();
});
