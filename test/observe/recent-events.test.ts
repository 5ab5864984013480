import { describe, expect, test } from 'vitest';
import { RecentEvents } from '../../src/observe/recent-events.ts';
import { sampleRecord } from '../_util/observe-record.ts';

describe('recent events', () => {
  test('remember changes, the latest first, and fifty of them', () => {
    const recent = new RecentEvents();
    for (let index = 0; index < 60; index += 1) recent.add(sampleRecord('backend-state', { backend: `dlp-${index}` }));
    expect(recent.changes).toHaveLength(50);
    expect(recent.changes[0]).toMatchObject({
      event: 'backend-state',
      level: 'warning',
      service: 'mcas',
      text: expect.stringContaining('backend dlp-59 is down, was up'),
    });
  });

  test('count what one client is refused for again and again', () => {
    const recent = new RecentEvents();
    recent.add(sampleRecord('handshake-failed', { client: '192.0.2.1:1', reason: 'expired' }));
    recent.add(sampleRecord('handshake-failed', { client: '[2001:db8::1]:1', reason: 'expired' }));
    recent.add(sampleRecord('handshake-failed', { client: '192.0.2.1:2', reason: 'expired' }));
    recent.add(sampleRecord('handshake-failed', { client: '192.0.2.1:3', reason: 'revoked' }));
    expect(recent.refusals.map(({ client, reason, count }) => [client, reason, count])).toEqual([
      ['192.0.2.1', 'revoked', 1],
      ['192.0.2.1', 'expired', 2],
      ['2001:db8::1', 'expired', 1],
    ]);
  });

  test('forget the refusal whose last time is longest ago', () => {
    const recent = new RecentEvents();
    const refuse = (host: number): void =>
      recent.add(sampleRecord('connection-rejected', { client: `192.0.2.${host}:1` }));
    for (let host = 0; host < 50; host += 1) refuse(host);
    refuse(0);
    refuse(50);
    const clients = recent.refusals.map(({ client }) => client);
    expect(clients).toHaveLength(50);
    expect(clients.slice(0, 2)).toEqual(['192.0.2.50', '192.0.2.0']);
    expect(clients).not.toContain('192.0.2.1');
  });

  test('say by its code why a request was refused, and by its policy what became of one without a verdict', () => {
    const recent = new RecentEvents();
    recent.add(sampleRecord('icap-policy'));
    recent.add(sampleRecord('icap-request-refused'));
    expect(recent.refusals.map(({ reason }) => reason)).toEqual(['ICAPGW_ICAP_BAD_HEADER', 'block']);
  });

  test('leave out load balancers that only look, and everything else', () => {
    const recent = new RecentEvents();
    recent.add(sampleRecord('handshake-failed', { reason: 'closed' }));
    recent.add(sampleRecord('connection-closed'));
    expect([recent.refusals, recent.changes]).toEqual([[], []]);
  });
});
