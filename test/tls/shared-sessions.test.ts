import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { type RememberedSession, SessionCache, shareSessions } from '../../src/tls/session-cache.ts';
import { createSharedSessions, SharedSessions } from '../../src/tls/shared-sessions.ts';
import { certificates } from '../_util/certificates.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

test('what one stores another finds, until it is deleted', () => {
  const memory = createSharedSessions(64);
  const [here, there] = [new SharedSessions(memory), new SharedSessions(memory)];
  here.set('place', bytes('first'));
  here.set('place', bytes('second, longer'));
  expect(there.get('place')).toEqual(bytes('second, longer'));
  expect(there.get('elsewhere')).toBeUndefined();
  there.delete('place');
  expect(here.get('place')).toBeUndefined();
});

test('of more than fit the older ones make way', () => {
  const sessions = new SharedSessions(createSharedSessions(8));
  for (let i = 0; i < 20; i += 1) sessions.set(`place ${i}`, bytes(`session ${i}`));
  const found = Array.from({ length: 20 }, (_, i) => sessions.get(`place ${i}`)?.toString()).filter((each) => each);
  expect(found).toHaveLength(8);
  expect(sessions.get('place 19')).toEqual(bytes('session 19'));
});

test('one of 8 KiB is kept, a longer one is not, and neither is the one before it', () => {
  const sessions = new SharedSessions(createSharedSessions(8));
  sessions.set('place', Buffer.alloc(8192, 1));
  expect(sessions.get('place')).toEqual(Buffer.alloc(8192, 1));
  sessions.set('place', Buffer.alloc(8193, 2));
  expect(sessions.get('place')).toBeUndefined();
});

const WRITER = `
  const { workerData, parentPort } = require('node:worker_threads');
  import(workerData.module).then(({ SharedSessions }) => {
    const sessions = new SharedSessions(workerData.memory);
    for (let i = 0; i < 3000; i += 1) {
      sessions.set('place', Buffer.alloc(1 + (i * 97) % 8192, workerData.fill));
      const found = sessions.get('place');
      if (found !== undefined && !found.every((byte) => byte === found[0])) parentPort.postMessage('torn');
    }
    parentPort.postMessage('done');
  });
`;

test('nobody finds half of one and half of another', async () => {
  const memory = createSharedSessions(8);
  const module = new URL('../../src/tls/shared-sessions.ts', import.meta.url).href;
  const writers = [1, 2].map((fill) => new Worker(WRITER, { eval: true, workerData: { memory, module, fill } }));
  const messages = await Promise.all(writers.map((writer) => once(writer, 'message')));
  expect(messages).toEqual([['done'], ['done']]);
});

test('a session that all workers share comes back whole, under its own policy only', () => {
  const shared = new SharedSessions(createSharedSessions(64));
  const cache = (scope: string): SessionCache => new SessionCache(1000, shareSessions(shared, scope));
  const certificate = new X509Certificate(readFileSync(certificates().server.cert));
  const session: RememberedSession = {
    session: bytes('session'),
    startedMs: 5000,
    verifyCode: 'CERT_HAS_EXPIRED',
    hasProvedKey: true,
    certificate,
  };
  cache('policy').remember('place', session);
  const found = cache('policy').find('place', 5500);
  expect(found).toMatchObject({ startedMs: 5000, verifyCode: 'CERT_HAS_EXPIRED', hasProvedKey: true });
  expect(found?.session.equals(session.session)).toBe(true);
  expect(found?.certificate?.raw.equals(certificate.raw)).toBe(true);
  expect(cache('another policy').find('place', 5500)).toBeUndefined();
  expect(cache('policy').find('place', 6000)).toBeUndefined();
});
