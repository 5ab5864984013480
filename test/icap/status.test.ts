import { expect, test } from 'vitest';
import { IcapProtocolError } from '../../src/errors.ts';
import { reasonPhrase, statusOfProtocolError } from '../../src/icap/status.ts';

test.each([
  { code: 'ICAPGW_ICAP_BAD_VERSION', status: 505 },
  { code: 'ICAPGW_ICAP_BAD_START_LINE', status: 400 },
  { code: 'ICAPGW_ICAP_HEAD_TOO_LARGE', status: 400 },
  { code: 'ICAPGW_ICAP_BODY_TOO_LARGE', status: 400 },
] as const)('$code is answered with $status', ({ code, status }) => {
  expect(statusOfProtocolError(new IcapProtocolError(code, { offset: 0 }))).toBe(status);
});

test('a status that nobody defined has a phrase all the same', () => {
  expect(reasonPhrase(204)).toBe('No Modifications Needed');
  expect(reasonPhrase(539)).toBe('Unknown');
});
