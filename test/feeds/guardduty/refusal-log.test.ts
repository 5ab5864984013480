import { expect, test } from 'vitest';
import { type Refusal, RefusalLog } from '../../../src/feeds/guardduty/refusal-log.ts';
import type { LogEventName, LogEvents } from '../../../src/observe/log-event.ts';
import { createFeedClock, type FakeFeedClock } from '../../_util/feed-clock.ts';

interface Rig {
  readonly refusals: RefusalLog;
  readonly clock: FakeFeedClock;
  /** What was logged since the last time: event, client, and how often where that is told. */
  told(): readonly string[];
}

function createRig(): Rig {
  const clock = createFeedClock();
  const lines: string[] = [];
  const log = {
    log<E extends LogEventName>(event: E, fields: LogEvents[E]) {
      const { client, code, count, seconds } = fields as Readonly<Record<string, unknown>>;
      lines.push(
        [
          event.replace('feed-', ''),
          client,
          code,
          count,
          ...(seconds === undefined || seconds === 60 ? [] : ['in', seconds]),
        ]
          .filter((part) => part !== undefined)
          .join(' '),
      );
    },
  };
  return { refusals: new RefusalLog({ feed: 'guardduty', clock, log }), clock, told: () => lines.splice(0) };
}

let port = 1024;

function from(host: string, code: number | undefined = 401, reason = 'a wrong credential'): Refusal {
  port += 1;
  return { host, client: `${host}:${port}`, answer: code === undefined ? undefined : { code, reason } };
}

function outsider(host: string): Refusal {
  return { host, client: `${host}:1`, answer: undefined };
}

test('the first of each sender and reason is told at once, the others as a number once a minute', () => {
  const { refusals, clock, told } = createRig();
  for (let count = 0; count < 1000; count += 1) refusals.add(from('192.0.2.1'));
  refusals.add(from('192.0.2.1', 403, 'no credential'));
  refusals.add(from('192.0.2.2'));
  refusals.add(outsider('192.0.2.3'));
  refusals.add(outsider('192.0.2.3'));
  expect(told()).toEqual([
    expect.stringMatching(/^request-refused 192\.0\.2\.1:\d+ 401$/),
    expect.stringMatching(/^request-refused 192\.0\.2\.1:\d+ 403$/),
    expect.stringMatching(/^request-refused 192\.0\.2\.2:\d+ 401$/),
    'client-refused 192.0.2.3:1',
  ]);
  clock.advance(59_999);
  expect(told()).toEqual([]);
  clock.advance(1);
  expect(told()).toEqual(['requests-refused 192.0.2.1 401 999', 'clients-refused 192.0.2.3 1']);
});

test('who never stops is one line a minute, and who has stopped for a minute begins anew', () => {
  const { refusals, clock, told } = createRig();
  refusals.add(from('192.0.2.1'));
  for (let minute = 0; minute < 3; minute += 1) {
    for (let count = 0; count < 60; count += 1) {
      refusals.add(from('192.0.2.1'));
      clock.advance(1000);
    }
  }
  expect(told().slice(1)).toEqual(Array(3).fill('requests-refused 192.0.2.1 401 60'));
  clock.advance(60_000);
  expect(told()).toEqual([]);
  expect(clock.nextInMs).toBeUndefined();
  refusals.add(from('192.0.2.1'));
  expect(told()).toEqual([expect.stringMatching(/^request-refused 192\.0\.2\.1:\d+ 401$/)]);
});

test('a flood from everywhere is told apart up to a hundred senders, and counted beyond', () => {
  const { refusals, clock, told } = createRig();
  for (let count = 0; count < 65_536; count += 1) refusals.add(from(`198.51.${count >> 8}.${count & 255}`, 429));
  for (let count = 0; count < 5; count += 1) refusals.add(outsider(`203.0.113.${count}`));
  expect(told()).toHaveLength(100);
  clock.advance(60_000);
  expect(told()).toEqual(['requests-refused other addresses 429 65436', 'clients-refused other addresses 5']);
  refusals.add(from('203.0.113.1'));
  expect(told()).toHaveLength(1);
});

test('what was counted is told at the end', () => {
  const { refusals, clock, told } = createRig();
  refusals.add(from('192.0.2.1'));
  refusals.add(from('192.0.2.1'));
  clock.advance(7000);
  refusals[Symbol.dispose]();
  expect(told().at(-1)).toBe('requests-refused 192.0.2.1 401 1 in 7');
  clock.advance(60_000);
  expect(told()).toEqual([]);
});
