import { expect, test } from 'vitest';
import { refusalOf } from '../../../src/feeds/smc/refusal.ts';
import type { SmcReply } from '../../../src/feeds/smc/smc-client.ts';

const KEY = 'key-0123456789-of-the-api-client';

function refused(body: object): SmcReply {
  return { status: 400, headers: {}, body: JSON.stringify(body) };
}

test('a secret that an SMC quotes is hidden wherever a long message is cut', () => {
  for (let before = 0; before < 400; before += 1) {
    const { message } = refusalOf('add', refused({ message: `${'x'.repeat(before)}${KEY}` }), 0, [KEY]);
    expect(message).not.toContain(KEY.slice(0, 3));
  }
});

test('a secret that an SMC quotes in pieces of its answer is hidden in each', () => {
  const reply = refused({ message: `no ${KEY}`, details: [`seen\n${KEY}`, KEY] });
  expect(refusalOf('login', reply, 0, ['', KEY]).message).toContain('(no *** seen *** ***)');
});
