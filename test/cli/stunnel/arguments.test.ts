import { expect, test } from 'vitest';
import { readStunnelArguments } from '../../../src/cli/stunnel/arguments.ts';

test.each([
  [[], { kind: 'file', name: '/etc/stunnel/stunnel.conf' }],
  [['a.conf'], { kind: 'file', name: 'a.conf' }],
  [['a.conf', '-version'], { kind: 'file', name: 'a.conf' }],
  [[''], { kind: 'file', name: '' }],
  [['--help'], { kind: 'file', name: '--help' }],
  [['-helpme'], { kind: 'file', name: '-helpme' }],
  [['-help'], { kind: 'list', list: 'help' }],
  [['-VERSION', 'x'], { kind: 'list', list: 'version' }],
  [['-Sockets'], { kind: 'list', list: 'sockets' }],
  [['-options'], { kind: 'list', list: 'options' }],
  [['-fd', '0'], { kind: 'descriptor', number: 0 }],
  [['-FD', '7', 'more'], { kind: 'descriptor', number: 7 }],
  [['-fd'], { kind: 'mistake', text: 'No file descriptor specified', descriptor: undefined }],
  [['-fd', '3x'], { kind: 'mistake', text: 'Invalid file descriptor number', descriptor: '3x' }],
  [['-fd', '12345678901'], { kind: 'mistake', text: 'Invalid file descriptor number', descriptor: '12345678901' }],
  [['-fd', '-1'], { kind: 'mistake', text: 'Cannot open configuration file', descriptor: '-1' }],
])('%j', (args, wish) => {
  expect(readStunnelArguments(args)).toEqual(wish);
});
