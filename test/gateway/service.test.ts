import { once } from 'node:events';
import { connect } from 'node:net';
import { MessageChannel } from 'node:worker_threads';
import { expect, test, vi } from 'vitest';
import { PoolState } from '../../src/balance/pool-state.ts';
import { Client } from '../../src/gateway/client.ts';
import type { ServiceContext } from '../../src/gateway/context.ts';
import { Service } from '../../src/gateway/service.ts';
import { createCounterBuffer, createCounterLayout } from '../../src/observe/counters.ts';
import { EventPort } from '../../src/observe/event-port.ts';
import { enabledEvents } from '../../src/observe/log-format.ts';
import { Blockade } from '../../src/policy/blockade.ts';
import { createSourceTable } from '../../src/policy/source-table.ts';
import { createServiceContexts } from '../../src/runtime/service-context.ts';
import type { WorkerSnapshot } from '../../src/runtime/snapshot.ts';
import { createSharedSessions, SharedSessions } from '../../src/tls/shared-sessions.ts';
import { serviceOf } from '../_util/config-text.ts';
import { NOBODY_BLOCKED } from '../_util/nobody-blocked.ts';

/** What the sessions of a service in clear share, by one configuration. */
function createContext(events: EventPort): ServiceContext {
  const config = serviceOf({ protocol: 'icap' });
  const counterLayout = createCounterLayout({ services: ['dlp'], backends: [['one']], workers: 1 });
  const counterBuffer = createCounterBuffer(counterLayout);
  const service = {
    ...{ config, material: undefined, backendMaterial: [], blockPage: undefined, members: [], options: [] },
    poolBuffer: PoolState.create(1, 1).buffer,
  };
  const snapshot = {
    ...{ generation: 1, services: [service], counterLayout, counterBuffer, workerIndex: 0 },
    sourceMemory: createSourceTable({ workerCount: 1, entryCount: 16 }),
    connectionIds: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
  } as unknown as WorkerSnapshot;
  const sessions = new SharedSessions(createSharedSessions(8));
  const parts = {
    snapshot,
    events,
    ...{ sessions, clientSessions: sessions },
    blocked: new Blockade(NOBODY_BLOCKED, ['peer']),
    awake: Promise.resolve(),
    tell: () => {},
  };
  const [context] = createServiceContexts(snapshot, parts, { secret: new Uint8Array(32), epoch: 0 });
  if (context === undefined) throw new TypeError('there is one service');
  return context;
}

test('another configuration judges the clients anew only where it trusts others', async () => {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  const enabled = enabledEvents('error', 'json');
  const events = new EventPort({ port: port1, enabled, access: false, squid: false, traceSample: undefined });
  const context = createContext(events);
  await using service = new Service(context);
  const address = await service.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, false);
  if (address.kind !== 'tcp') throw new TypeError('it is one of TCP');
  const socket = connect({ host: '127.0.0.1', port: address.port });
  await once(socket, 'connect');
  await vi.waitFor(() => expect(service.sessionCount).toBe(1));
  using judged = vi.spyOn(Client.prototype, 'isWithdrawn');
  service.update({ ...context });
  expect(judged).not.toHaveBeenCalled();
  const stricter = { ...context, trustHash: 'another' };
  service.update(stricter);
  expect(judged).toHaveBeenCalledExactlyOnceWith(stricter);
  socket.destroy();
});
