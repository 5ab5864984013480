import { expect, test } from 'vitest';
import { PoolState } from '../../src/balance/pool-state.ts';
import { type Admission, admit, admitHolder, takePlace } from '../../src/gateway/admission.ts';
import type { ServiceContext } from '../../src/gateway/context.ts';
import { Blockade } from '../../src/policy/blockade.ts';
import { SourceLimits } from '../../src/policy/source-limits.ts';
import { SourceList } from '../../src/policy/source-list.ts';
import { createSourceTable } from '../../src/policy/source-table.ts';
import { NOBODY_BLOCKED } from '../_util/nobody-blocked.ts';

const ANYBODY = SourceList.from({ allow: [], deny: [] });

/** As much of a service as admission looks at. */
function createService(
  limits: Partial<ServiceContext['config']['limits']>,
  blocked: readonly string[] = [],
): ServiceContext {
  const unlimited = { connections: 100, connectionsPerSource: 0, handshakesPerSource: 0 };
  const memory = createSourceTable({ workerCount: 1, entryCount: 64 });
  const service: Partial<ServiceContext> = {
    config: { limits: { ...unlimited, ...limits } } as ServiceContext['config'],
    worker: 0,
    blocked: new Blockade({ ...NOBODY_BLOCKED, networks: blocked }, ['peer']),
    pool: PoolState.create(1, 1),
    sources: new SourceLimits({ memory, workerIndex: 0, scope: 'test' }),
  };
  return service as ServiceContext;
}

function admitted(result: Admission | string): Admission {
  if (typeof result === 'string') throw new Error(`refused: ${result}`);
  return result;
}

test('a denied address takes no place', () => {
  const service = createService({});
  const list = SourceList.from({ allow: ['192.0.2.0/24'], deny: [] });
  expect(admit(service, list, '198.51.100.1')).toBe('denied');
  expect(service.pool.connections()).toBe(0);
});

test('a blocked address takes no place, and a place it held goes back', () => {
  const service = createService({}, ['198.51.100.1', '2001:db8::/32']);
  expect(admit(service, ANYBODY, '198.51.100.1')).toBe('blocked');
  expect(admit(service, ANYBODY, '2001:db8::5')).toBe('blocked');
  expect(takePlace(service)).toBe(true);
  expect(admitHolder(service, ANYBODY, '198.51.100.1')).toBe('blocked');
  expect(service.pool.connections()).toBe(0);
  admitted(admit(service, ANYBODY, '198.51.100.2'));
  admitted(admit(service, ANYBODY, undefined));
});

test('the service takes as many as its limit says, and one more when one has left', () => {
  const service = createService({ connections: 2 });
  const first = admitted(admit(service, ANYBODY, '192.0.2.1'));
  admitted(admit(service, ANYBODY, undefined));
  expect(admit(service, ANYBODY, '192.0.2.2')).toBe('service-limit');
  first.release();
  admitted(admit(service, ANYBODY, '192.0.2.2'));
  expect(service.pool.connections()).toBe(2);
});

test('a source at its own limit does not use up places of the service', () => {
  const service = createService({ connectionsPerSource: 1 });
  const only = admitted(admit(service, ANYBODY, '192.0.2.1'));
  expect(admit(service, ANYBODY, '192.0.2.1')).toBe('source-limit');
  admitted(admit(service, ANYBODY, '192.0.2.2'));
  expect(service.pool.connections()).toBe(2);
  only.release();
  admitted(admit(service, ANYBODY, '192.0.2.1'));
});

test('a source that comes too often is refused, unix clients have none', () => {
  const service = createService({ handshakesPerSource: 1 });
  admitted(admit(service, ANYBODY, '192.0.2.1'));
  expect(admit(service, ANYBODY, '192.0.2.1')).toBe('handshake-rate');
  expect(service.pool.connections()).toBe(1);
  admitted(admit(service, ANYBODY, undefined));
  admitted(admit(service, ANYBODY, undefined));
});

test('a connection that goes over to another service takes a place there and leaves that before', () => {
  const [before, after] = [createService({}), createService({ connections: 1 })];
  const admission = admitted(admitted(admit(before, ANYBODY, '192.0.2.1')).transfer(after, ANYBODY));
  expect([before.pool.connections(), after.pool.connections()]).toEqual([0, 1]);
  admission.release();
  expect([before.pool.connections(), after.pool.connections()]).toEqual([0, 0]);
});

test('a connection that another service refuses keeps its place', () => {
  const [before, after] = [createService({}), createService({ connections: 1 })];
  const admission = admitted(admit(before, ANYBODY, '192.0.2.1'));
  const nobody = SourceList.from({ allow: ['198.51.100.0/24'], deny: [] });
  expect(admission.transfer(after, nobody)).toBe('denied');
  admitted(admit(after, ANYBODY, '192.0.2.2'));
  expect(admission.transfer(after, ANYBODY)).toBe('service-limit');
  expect([before.pool.connections(), after.pool.connections()]).toEqual([1, 1]);
  admission.release();
  expect(before.pool.connections()).toBe(0);
});

test('an address goes on counting where it came in', () => {
  const [before, after] = [createService({ connectionsPerSource: 1 }), createService({ connectionsPerSource: 1 })];
  const admission = admitted(admitted(admit(before, ANYBODY, '192.0.2.1')).transfer(after, ANYBODY));
  expect([admit(before, ANYBODY, '192.0.2.1'), admit(after, ANYBODY, '192.0.2.1')]).toEqual([
    'source-limit',
    'source-limit',
  ]);
  admission.release();
  admitted(admit(before, ANYBODY, '192.0.2.1'));
  admitted(admit(after, ANYBODY, '192.0.2.1'));
});
