import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogRecord } from '../../src/observe/log-event.ts';
import { enabledEvents, type FormatOptions, formatRecord } from '../../src/observe/log-format.ts';
import { definitionOf, LOG_EVENT_NAMES, levelOf } from '../../src/observe/log-table.ts';
import { stunnelLevelOf, stunnelLines } from '../../src/observe/stunnel-lines.ts';
import { SAMPLE_EVENTS, sampleRecord } from '../_util/observe-record.ts';

const TEXT: FormatOptions = { level: 'debug', format: 'text', color: false };
const JSON_FORMAT: FormatOptions = { ...TEXT, format: 'json' };
const STUNNEL: FormatOptions = { ...TEXT, format: 'stunnel' };
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error'] as const;
const UNSAFE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

function formatted(record: LogRecord, options: FormatOptions): readonly string[] {
  return formatRecord(record, options).map(({ line }) => line);
}

describe('the text format', () => {
  test('has time, level, a sentence, and the fields the sentence does not hold', () => {
    expect(formatted(sampleRecord('listening'), TEXT)).toEqual([
      '2026-11-20T23:29:14.123Z notice  listening on 127.0.0.1:11344 service=mcas',
    ]);
  });

  test.each([
    [
      '127.0.0.1:11344',
      'accept EMFILE',
      'a connection at 127.0.0.1:11344 could not be accepted: accept EMFILE (raise the limit of open files)',
    ],
    [
      'exec:/usr/bin/sender',
      'spawn /usr/bin/sender ENOENT',
      'exec:/usr/bin/sender could not be started: spawn /usr/bin/sender ENOENT',
    ],
  ])('says what failed at %s, and what to do where that is known', (address, detail, sentence) => {
    expect(formatted(sampleRecord('accept-failed', { address, detail }), TEXT)).toEqual([
      `2026-11-20T23:29:14.123Z error   ${sentence} service=mcas`,
    ]);
  });

  test('quotes values that hold blanks', () => {
    expect(formatted(sampleRecord('handshake-failed'), TEXT)).toEqual([
      '2026-11-20T23:29:14.123Z warning TLS handshake with 192.0.2.1:40820 failed: its certificate has expired ' +
        'service=mcas connection=7 reason=expired detail="certificate has expired" subject="CN=old"',
    ]);
  });

  test('colours the level where that is wanted', () => {
    const [line] = formatted(sampleRecord('worker-died'), { ...TEXT, color: true });
    expect(line).toContain('\u001b[31merror  \u001b[0m worker 1 died');
  });

  test('cuts a line that is too long', () => {
    const [line = ''] = formatted(sampleRecord('config-problem', { text: 'x'.repeat(100_000) }), TEXT);
    expect(line.length).toBeLessThan(4200);
    expect(line.endsWith('…')).toBe(true);
  });
});

describe('the JSON format', () => {
  test('has time, level, event and sentence first, then every field', () => {
    const [line = ''] = formatted(sampleRecord('listening'), JSON_FORMAT);
    expect(line).toBe(
      '{"time":"2026-11-20T23:29:14.123Z","level":"notice","event":"listening",' +
        '"msg":"listening on 127.0.0.1:11344","service":"mcas","address":"127.0.0.1:11344"}',
    );
  });

  test('leaves out what is unknown, and keeps lists', () => {
    const [line = ''] = formatted(sampleRecord('backend-addresses'), JSON_FORMAT);
    expect(JSON.parse(line)).toMatchObject({ addresses: ['10.0.0.5', '10.0.0.6'] });
    const [closed = ''] = formatted(sampleRecord('connection-closed', { backend: undefined }), JSON_FORMAT);
    expect(JSON.parse(closed)).not.toHaveProperty('backend');
  });

  test.each(LOG_EVENT_NAMES)('%s has no field that hides another', (event) => {
    expect(Object.keys(SAMPLE_EVENTS[event])).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(time|level|event|msg)$/)]),
    );
  });
});

describe('every format', () => {
  test('makes one harmless line of hostile text', () => {
    const hostile = fc.string({ unit: 'binary', maxLength: 300 });
    fc.assert(
      fc.property(hostile, fc.constantFrom(TEXT, JSON_FORMAT, STUNNEL), (text, options) => {
        const record = sampleRecord('handshake-failed', { reason: 'protocol', detail: text, subject: text });
        for (const line of formatted(record, options)) {
          expect(line).not.toMatch(UNSAFE);
          expect(line.length).toBeLessThan(16_000);
          if (options.format === 'json') JSON.parse(line);
        }
      }),
      { seed: 42, numRuns: 150 },
    );
  });

  test('a forged line stays inside the line it came in', () => {
    const path = '/\n2026-11-20T23:29:14.123Z notice  drained\u009b2J\u202e';
    const record = sampleRecord('admin-request-refused', { path });
    expect(formatted(record, TEXT)[0]).toContain('path="/\\n2026-11-20T23:29:14.123Z notice  drained\\u009b2J\\u202e"');
    expect(JSON.parse(formatted(record, JSON_FORMAT)[0] ?? '')).toMatchObject({ path });
  });

  test.each(LOG_EVENT_NAMES)('%s is never more severe than its table says', (event) => {
    const most = LEVELS.indexOf(levelOf(event, SAMPLE_EVENTS[event]));
    for (const format of ['text', 'json', 'stunnel'] as const) {
      for (const level of LEVELS) {
        const lines = formatted(sampleRecord(event), { level, format, color: false });
        if (!enabledEvents(level, format)[event]) expect(lines).toEqual([]);
        if (format !== 'stunnel' && !definitionOf(event).always) {
          expect(lines).toHaveLength(Number(LEVELS.indexOf(level) <= most));
        }
      }
    }
    const levels = stunnelLines(event, SAMPLE_EVENTS[event]).map(({ level }) => level);
    expect(Math.min(...levels)).toBeGreaterThanOrEqual(stunnelLevelOf(event));
  });
});

describe('the level', () => {
  test('of ordinary connections is below notice, in stunnel lines it is notice', () => {
    expect(enabledEvents('notice', 'text')).toMatchObject({
      'connection-accepted': false,
      'connection-closed': false,
      'handshake-failed': true,
      listening: true,
    });
    expect(enabledEvents('notice', 'stunnel')).toMatchObject({ 'connection-accepted': true, listening: false });
    expect(enabledEvents('warning', 'stunnel')).toMatchObject({ 'connection-accepted': false });
  });

  test('of a client that leaves before its handshake does not alarm', () => {
    expect(levelOf('handshake-failed', { ...SAMPLE_EVENTS['handshake-failed'], reason: 'closed' })).toBe('info');
    expect(levelOf('connection-rejected', { ...SAMPLE_EVENTS['connection-rejected'], reason: 'denied' })).toBe(
      'notice',
    );
    expect(levelOf('backend-state', { ...SAMPLE_EVENTS['backend-state'], to: 'up' })).toBe('notice');
    expect(levelOf('config-problem', { ...SAMPLE_EVENTS['config-problem'], severity: 'error' })).toBe('error');
  });

  test('does not hold back statistics somebody asked for', () => {
    for (const format of ['text', 'json', 'stunnel'] as const) {
      expect(enabledEvents('error', format).statistics).toBe(true);
      expect(formatted(sampleRecord('statistics'), { level: 'error', format, color: false })).toHaveLength(1);
    }
  });
});
