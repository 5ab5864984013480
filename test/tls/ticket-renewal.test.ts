import { randomBytes } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { renewTickets } from '../../src/tls/ticket-renewal.ts';
import { certificates } from '../_util/certificates.ts';
import { VERSIONS, visit } from '../_util/tls-client.ts';
import { GREETING, startTlsService, type TlsService, type TlsServiceOptions } from '../_util/tls-service.ts';

const lab = certificates();
const MUTUAL: TlsServiceOptions = { clientAuth: { ca: [lab.ca.cert] } };
const TIMES = 5;

test('this runtime can renew tickets', () => {
  expect(renewTickets(createSecureContext(), randomBytes(48))).toBe(true);
});

describe('a runtime that would not find its answers is left as it is', () => {
  class Named {
    static readonly kTicketKeyReturnIndex = 0;
    isEnabled = false;
    enableTicketKeyCallback(): void {
      this.isEnabled = true;
    }
  }
  test.each([
    ['without the callback', {}],
    ['with other places for the parts of an answer', new Named()],
  ])('%s', (_, context) => {
    expect(renewTickets({ context } as SecureContext, randomBytes(48))).toBe(false);
    expect(context).not.toHaveProperty('onticketkeycallback');
    expect(context).not.toHaveProperty('isEnabled', true);
  });
});

describe('an answer', () => {
  const keys = randomBytes(48);
  const { context } = createSecureContext() as unknown as {
    readonly context: { onticketkeycallback(name: Buffer, iv: Buffer, isNew: boolean): readonly unknown[] };
  };
  renewTickets({ context } as SecureContext, keys);
  const name = keys.subarray(0, 16);
  const parts = [keys.subarray(16, 32), keys.subarray(32), name];

  test('has the keys as node:tls takes them, and renews what it knows', () => {
    expect(context.onticketkeycallback(name, randomBytes(16), false).slice(0, 4)).toEqual([2, ...parts]);
    expect(context.onticketkeycallback(randomBytes(16), randomBytes(16), true).slice(0, 4)).toEqual([1, ...parts]);
  });

  test('to a ticket of other keys is no, and whole all the same: Node ends the process otherwise', () => {
    const answer = context.onticketkeycallback(randomBytes(16), randomBytes(16), false);
    expect(answer).toEqual([0, ...parts, expect.any(Buffer)]);
    expect(answer[4]).toHaveLength(16);
  });

  test('never has an IV again', () => {
    const count = 1000;
    const ivs = Array.from({ length: count }, () => String(context.onticketkeycallback(name, name, true)[4]));
    expect(new Set(ivs).size).toBe(count);
  });
});

describe('a client of TLS 1.3 that uses each ticket once', () => {
  /** Comes back with what it was given last; whether each visit but the first was resumed. */
  const comeBack = async (services: readonly TlsService[]): Promise<readonly boolean[]> => {
    const resumed: boolean[] = [];
    let session: Buffer | undefined;
    for (let turn = 0; turn <= TIMES; turn += 1) {
      const { port } = services[turn % services.length] as TlsService;
      const seen = await visit({ port, version: 'TLSv1.3', identity: lab.client, ...(session && { session }) });
      expect(seen).toMatchObject({ text: GREETING, session: expect.any(Buffer) });
      expect(seen.session).not.toEqual(session);
      session = seen.session;
      if (turn > 0) resumed.push(seen.isReused);
    }
    return resumed;
  };

  test('resumes every time', async () => {
    await using service = await startTlsService(MUTUAL);
    expect(await comeBack([service])).toEqual(Array(TIMES).fill(true));
  });

  test('resumes on whatever worker it meets', async () => {
    await using first = await startTlsService(MUTUAL);
    await using second = await startTlsService(MUTUAL);
    expect(await comeBack([first, second])).toEqual(Array(TIMES).fill(true));
  });
});

test.each(VERSIONS)('a renewed ticket of %s opens nothing once the certificate has ended', async (version) => {
  let nowMs = Date.now();
  await using service = await startTlsService({ ...MUTUAL, nowMs: () => nowMs });
  const first = await visit({ port: service.port, version, identity: lab.client });
  const second = await visit({ port: service.port, version, session: first.session as Buffer });
  expect(second).toMatchObject({ text: GREETING, isReused: true });
  nowMs += 10 * 366 * 24 * 3_600_000;
  const session = second.session ?? (first.session as Buffer);
  expect((await visit({ port: service.port, version, session })).text).toBe('');
  await service.outcome();
  await service.outcome();
  expect(await service.outcome()).toMatchObject({ kind: 'refused', resumed: true, problem: { reason: 'expired' } });
});
