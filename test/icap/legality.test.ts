import { expect, test } from 'vitest';
import { type ClientPhase, may204, may206 } from '../../src/icap/legality.ts';

test.each<{ phase: ClientPhase; is204: boolean; is206: boolean }>([
  { phase: { preview: 'unanswered', allow204: false, allow206: false }, is204: true, is206: false },
  { phase: { preview: 'unanswered', allow204: true, allow206: false }, is204: true, is206: false },
  { phase: { preview: 'unanswered', allow204: false, allow206: true }, is204: true, is206: true },
  { phase: { preview: 'none', allow204: false, allow206: false }, is204: false, is206: false },
  { phase: { preview: 'none', allow204: true, allow206: false }, is204: true, is206: false },
  { phase: { preview: 'none', allow204: false, allow206: true }, is204: false, is206: false },
  { phase: { preview: 'none', allow204: true, allow206: true }, is204: true, is206: true },
  { phase: { preview: 'continued', allow204: false, allow206: false }, is204: false, is206: false },
  { phase: { preview: 'continued', allow204: true, allow206: false }, is204: true, is206: false },
  { phase: { preview: 'continued', allow204: false, allow206: true }, is204: false, is206: false },
  { phase: { preview: 'continued', allow204: true, allow206: true }, is204: true, is206: true },
])('$phase: 204 $is204, 206 $is206', ({ phase, is204, is206 }) => {
  expect([may204(phase), may206(phase)]).toEqual([is204, is206]);
});
