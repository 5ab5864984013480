import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, test, vi } from 'vitest';
import { Credential } from '../../../src/feeds/guardduty/credential.ts';

vi.mock(import('node:crypto'), async (original) => {
  const crypto = await original();
  return { ...crypto, timingSafeEqual: vi.fn(crypto.timingSafeEqual) };
});

const NOW_MS = 1_767_225_600_000;
const TIMESTAMP = String(NOW_MS / 1000);
const BODY = Buffer.from('{"remote_ip":"198.51.100.0"}');

function signature(key: string, timestamp = TIMESTAMP, body: Buffer = BODY): string {
  return `sha256=${createHmac('sha256', key).update(`${timestamp}.`).update(body).digest('hex')}`;
}

describe('a token', () => {
  const credential = new Credential({ token: 's3+cret/=', hmacKey: undefined });

  test.each<[string, IncomingHttpHeaders, string, string]>([
    ['behind Bearer', { authorization: 'Bearer s3+cret/=' }, '', 'right'],
    ['behind bearer', { authorization: 'bearer  s3+cret/=' }, '', 'right'],
    ['in its header', { 'x-icapgw-token': 's3+cret/=' }, '', 'right'],
    ['in the query', {}, 'token=s3+cret/=', 'right'],
    ['escaped in the query', {}, 'a=b&token=s3%2Bcret%2F%3D', 'right'],
    ['right in one place and wrong in another', { authorization: 'Bearer x' }, 'token=s3%2Bcret%2F%3D', 'right'],
    ['nowhere', {}, '', 'missing'],
    ['empty', { 'x-icapgw-token': '' }, 'token=', 'missing'],
    ['of another scheme', { authorization: 'Basic czM6Y3JldA==' }, '', 'missing'],
    ['wrong', { authorization: 'Bearer s3+cret/' }, '', 'wrong'],
    ['longer', { 'x-icapgw-token': 's3+cret/==' }, '', 'wrong'],
    ['of another case', {}, 'token=S3%2Bcret%2F%3D', 'wrong'],
    ['cut escapes', {}, 'token=%', 'wrong'],
    ['a parameter that only ends like it', {}, 'nottoken=s3+cret/=', 'missing'],
  ])('%s', (_, headers, query, verdict) => {
    expect(credential.judgeHead(headers, query, NOW_MS)).toBe(verdict);
  });
});

describe('a signature', () => {
  const credential = new Credential({ token: undefined, hmacKey: 'k' });
  const headers = { 'x-icapgw-timestamp': TIMESTAMP, 'x-icapgw-signature': signature('k') };

  test('is right for this body, key and time', () => {
    expect(credential.judgeHead(headers, '', NOW_MS)).toBe('right');
    expect(credential.judgeBody(headers, BODY)).toBe('right');
    expect(
      credential.judgeBody(
        { ...headers, 'x-icapgw-signature': signature('k').toUpperCase().replace('SHA', 'sha') },
        BODY,
      ),
    ).toBe('right');
  });

  test.each([
    ['300 s old', 300, 'right'],
    ['301 s old', 301, 'wrong'],
    ['300 s ahead', -300, 'right'],
    ['301 s ahead', -301, 'wrong'],
  ])('%s', (_, seconds, verdict) => {
    expect(credential.judgeHead(headers, '', NOW_MS + seconds * 1000)).toBe(verdict);
  });

  test.each<[string, IncomingHttpHeaders, string]>([
    ['without a time', { 'x-icapgw-timestamp': undefined }, 'missing'],
    ['without a signature', { 'x-icapgw-signature': undefined }, 'missing'],
    ['with a time that is none', { 'x-icapgw-timestamp': '1e9' }, 'wrong'],
    ['with milliseconds', { 'x-icapgw-timestamp': `${TIMESTAMP}000` }, 'wrong'],
    ['with an empty time', { 'x-icapgw-timestamp': '' }, 'wrong'],
  ])('%s', (_, more, verdict) => {
    expect(credential.judgeHead({ ...headers, ...more }, '', NOW_MS)).toBe(verdict);
  });

  test.each<[string, string]>([
    ['of another key', signature('K')],
    ['of another time', signature('k', String(Number(TIMESTAMP) + 1))],
    ['of another body', signature('k', TIMESTAMP, Buffer.from('{}'))],
    ['without its name', signature('k').replace('sha256=', '')],
    ['that is cut', signature('k').slice(0, -1)],
    ['that is no hexadecimal', signature('k').replace(/.$/, 'g')],
    ['that is empty', ''],
  ])('%s is wrong', (_, value) => {
    expect(credential.judgeBody({ ...headers, 'x-icapgw-signature': value }, BODY)).toBe('wrong');
  });
});

test('with both, both are needed', () => {
  const credential = new Credential({ token: 't', hmacKey: 'k' });
  const signed = { 'x-icapgw-timestamp': TIMESTAMP, 'x-icapgw-signature': signature('k') };
  expect(credential.judgeHead({ ...signed, authorization: 'Bearer t' }, '', NOW_MS)).toBe('right');
  expect(credential.judgeHead(signed, '', NOW_MS)).toBe('missing');
  expect(credential.judgeHead({ authorization: 'Bearer t' }, '', NOW_MS)).toBe('missing');
  expect(credential.judgeHead({ ...signed, authorization: 'Bearer x' }, '', NOW_MS)).toBe('wrong');
});

test('with none, nothing is asked for', () => {
  const credential = new Credential({ token: undefined, hmacKey: undefined });
  expect(credential.judgeHead({}, '', NOW_MS)).toBe('right');
  expect(credential.judgeBody({}, BODY)).toBe('right');
});

test('however a secret is wrong, all of it is compared, in constant time', () => {
  const credential = new Credential({ token: 'secret', hmacKey: 'k' });
  for (const token of ['s', 'secres', 'secret'.repeat(100)]) {
    vi.mocked(timingSafeEqual).mockClear();
    expect(credential.judgeHead({ authorization: `Bearer ${token}` }, '', NOW_MS)).toBe('wrong');
    expect(vi.mocked(timingSafeEqual).mock.calls.map((pair) => pair.map(({ byteLength }) => byteLength))).toEqual([
      [32, 32],
    ]);
  }
  vi.mocked(timingSafeEqual).mockClear();
  credential.judgeBody({ 'x-icapgw-timestamp': TIMESTAMP, 'x-icapgw-signature': signature('K') }, BODY);
  expect(timingSafeEqual).toHaveBeenCalledOnce();
});
