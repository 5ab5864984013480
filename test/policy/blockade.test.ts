import { expect, test } from 'vitest';
import { Blockade } from '../../src/policy/blockade.ts';
import { NOBODY_BLOCKED } from '../_util/nobody-blocked.ts';

const THREAT = 'guardduty:Recon:EC2/PortProbeUnprotectedPort';

function blockade(...levels: readonly ('peer' | 'client-ip' | 'target')[]): Blockade {
  return new Blockade({ ...NOBODY_BLOCKED, networks: ['192.0.2.0/24'], addresses: [['198.51.100.1', THREAT]] }, levels);
}

test('whom a feed has blocked is turned away as a peer where that is enforced, whom an operator has always', () => {
  expect(['198.51.100.1', '192.0.2.7', '203.0.113.1', undefined].map((each) => blockade('peer').admits(each))).toEqual([
    false,
    false,
    true,
    true,
  ]);
  expect(blockade('target').admits('198.51.100.1')).toBe(true);
  expect(blockade().admits('192.0.2.7')).toBe(false);
});

test('an address in a request has what it is blocked for', () => {
  const list = blockade('client-ip');
  expect(['198.51.100.1', '192.0.2.7', '203.0.113.1'].map((each) => list.threatOf(each))).toEqual([
    THREAT,
    'manual',
    undefined,
  ]);
  expect([list.looksFor('client-ip'), list.looksFor('target')]).toEqual([true, false]);
});

test('nothing is looked for in requests where nobody is blocked', () => {
  const list = new Blockade(NOBODY_BLOCKED, ['peer', 'client-ip', 'target']);
  expect(list.looksFor('client-ip')).toBe(false);
  expect(new Blockade({ ...NOBODY_BLOCKED, networks: ['192.0.2.7'] }, ['target']).looksFor('target')).toBe(true);
  list.setNetworks(['2001:db8::/32']);
  expect(list.looksFor('client-ip')).toBe(true);
  list.setNetworks([]);
  list.change({ blocked: [['2001:db8::1', THREAT]], lifted: [] });
  expect(list.looksFor('client-ip')).toBe(true);
  list.change({ blocked: [], lifted: ['2001:db8::1'] });
  expect(list.looksFor('client-ip')).toBe(false);
});

test('what a feed lifts and blocks in one change is blocked', () => {
  const list = blockade('peer');
  list.change({ blocked: [['198.51.100.1', THREAT]], lifted: ['198.51.100.1'] });
  expect(list.admits('198.51.100.1')).toBe(false);
});

test('another configuration changes where feeds are enforced', () => {
  const list = blockade('peer');
  list.setLevels(['target']);
  expect(list.admits('198.51.100.1')).toBe(true);
  expect(list.looksFor('target')).toBe(true);
});

test('whom a file lists is turned away as a peer always, and has its own name in requests', () => {
  const list = new Blockade(NOBODY_BLOCKED, ['client-ip']);
  expect(list.looksFor('client-ip')).toBe(false);
  list.setListed({ addresses: ['198.51.100.7'], networks: ['203.0.113.0/24', '2001:db8::/32'] });
  expect(list.looksFor('client-ip')).toBe(true);
  const tried = ['198.51.100.7', '203.0.113.9', '2001:db8::9', '198.51.100.8', undefined];
  expect(tried.map((each) => list.admits(each))).toEqual([false, false, false, true, true]);
  expect(tried.flatMap((each) => (each === undefined ? [] : [list.threatOf(each)]))).toEqual([
    'file',
    'file',
    'file',
    undefined,
  ]);
  list.setNetworks(['203.0.113.9']);
  expect(list.threatOf('203.0.113.9')).toBe('manual');
  list.setListed({ addresses: [], networks: [] });
  expect(['198.51.100.7', '203.0.113.8'].map((each) => list.admits(each))).toEqual([true, true]);
});

test('who is exempt is let in from the middle of a network, and is still blocked by a feed', () => {
  const list = new Blockade(
    {
      ...{ networks: ['192.0.2.0/24'], exempt: ['192.0.2.7', '203.0.113.0/25'] },
      ...{ listed: { addresses: [], networks: ['203.0.113.0/24'] }, addresses: [['203.0.113.1', THREAT]] },
    },
    ['peer', 'target'],
  );
  expect(['192.0.2.7', '192.0.2.8', '203.0.113.2', '203.0.113.200'].map((each) => list.admits(each))).toEqual([
    ...[true, false, true, false],
  ]);
  expect(['192.0.2.7', '203.0.113.2', '203.0.113.1'].map((each) => list.threatOf(each))).toEqual([
    ...[undefined, undefined, THREAT],
  ]);
  list.setExempt([]);
  expect(list.admits('192.0.2.7')).toBe(false);
});
