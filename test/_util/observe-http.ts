import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { BlockedReport } from '../../src/observe/blocked-report.ts';
import type { ConnectionList } from '../../src/observe/connection-entry.ts';
import type { Control, ControlResult } from '../../src/observe/control.ts';
import type { AdminSources, Readiness, StatusSnapshot } from '../../src/observe/status.ts';

export interface HttpReply {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

export interface HttpOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** One request to an address as `startAdmin` tells it: `host:port` or `unix:/path`. */
export async function ask(address: string, path: string, { body, ...options }: HttpOptions = {}): Promise<HttpReply> {
  const target = address.startsWith('unix:')
    ? { socketPath: address.slice('unix:'.length) }
    : { host: '127.0.0.1', port: Number(/\d+$/.exec(address)?.[0]) };
  const { promise, resolve, reject } = Promise.withResolvers<HttpReply>();
  const call = request({ ...target, path, agent: false, ...options }, (response) => {
    text(response).then(
      (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      reject,
    );
  });
  call.on('error', reject);
  call.end(body);
  return await promise;
}

export const SNAPSHOT: StatusSnapshot = {
  version: '1.2.3',
  time: '2026-11-20T23:31:00.000Z',
  startedAt: '2026-11-20T23:29:14.000Z',
  state: 'ready',
  workers: 2,
  services: [
    {
      name: 'mcas',
      protocol: 'tunnel',
      listen: ['127.0.0.1:11344'],
      behind: null,
      connections: { active: 3, accepted: 9, rejected: 1, handshakesFailed: 2 },
      handshakeLatency: null,
      bytes: { received: 10, sent: 20 },
      icap: null,
      backends: [
        {
          name: 'dlp-1',
          address: '10.0.0.5:1344',
          state: 'down',
          reason: '<b>3 checks failed</b>',
          since: '2026-11-20T23:29:15.000Z',
          weight: 1,
          active: 0,
          idle: 0,
          limit: null,
        },
      ],
    },
    {
      name: 'web',
      protocol: 'icap',
      listen: [],
      behind: { service: 'mcas', names: ['web.example', '*.web.example'] },
      connections: { active: 0, accepted: 1, rejected: 0, handshakesFailed: 0 },
      handshakeLatency: { count: 3, p50Ms: 1.5, p95Ms: 4, p99Ms: 9 },
      bytes: { received: 1, sent: 2 },
      icap: {
        queued: 4,
        verdicts: { allowed: 71, modified: 0, blocked: 5, bypassed: 6, error: 0, aborted: 0 },
        lastMinute: { allowed: 7, modified: 0, blocked: 1, bypassed: 0, error: 0, aborted: 0 },
        latency: { count: 8, p50Ms: 2.5, p95Ms: 40, p99Ms: 90 },
      },
      backends: [
        {
          name: 'av-1',
          address: '10.0.0.6:1344',
          state: 'up',
          reason: 'the last check succeeded',
          since: '2026-11-20T23:29:15.000Z',
          weight: 3,
          active: 8,
          idle: 9,
          limit: 24,
        },
      ],
    },
  ],
  certificates: [
    { service: 'web', kind: 'server', subject: 'CN=gw', expires: '2026-12-02T23:29:14.000Z', days: 12, due: true },
    { service: 'web', kind: 'client-ca', subject: 'CN=CA', expires: '2027-11-20T23:29:14.000Z', days: 365, due: false },
  ],
  blocked: 1,
  refusals: [
    {
      time: '2026-11-20T23:30:59.000Z',
      level: 'warning',
      event: 'handshake-failed',
      service: 'web',
      client: '192.0.2.9',
      reason: 'no-certificate',
      count: 3,
      text: 'TLS handshake with 192.0.2.9:40820 failed: it sent no certificate',
    },
  ],
  changes: [
    {
      time: '2026-11-20T23:30:00.000Z',
      level: 'warning',
      event: 'backend-state',
      service: 'mcas',
      text: 'backend dlp-1 is down, was up: 3 probes in a row failed',
    },
  ],
};

export const BLOCKED: BlockedReport = {
  entries: [
    {
      ip: '198.51.100.0',
      source: 'guardduty',
      type: 'UnauthorizedAccess:EC2/SSHBruteForce',
      since: '2026-11-20T23:30:00.000Z',
      until: '2026-11-21T00:30:00.000Z',
      findings: 3,
      relay: 'pending',
      engines: { 'NGFW 1': 'added', 'NGFW 2': 'pending' },
    },
    {
      ...{ ip: '2001:db8::/32', source: 'manual', type: '', since: '2026-11-20T23:29:30.000Z', until: null },
      ...{ findings: 0, relay: 'off', engines: {} },
    },
  ],
  queue: { type: 'embedded', depth: 1, oldestSeconds: 65, trouble: null },
  smc: { up: false, version: '6.10', lastSuccess: '2026-11-20T23:30:02.000Z', lastError: 'it answered 503' },
};

export const CONNECTIONS: ConnectionList = {
  total: 2,
  connections: [
    {
      connection: 7,
      service: 'web',
      client: '192.0.2.1:40820',
      ms: 65_000,
      tls: 'TLSv1.3',
      subject: 'O=Test, CN=client1',
      backend: 'av-1',
      activity: 'REQMOD /reqmod',
      bytesIn: 2048,
      bytesOut: 10,
    },
    {
      connection: 12,
      service: 'mcas',
      client: '192.0.2.2:40821',
      ms: 1500,
      tls: null,
      subject: null,
      backend: null,
      activity: 'handshake',
      bytesIn: 0,
      bytesOut: 0,
    },
  ],
};

/** A control that does what it is told of the service `web` with its backend `av-1`, and remembers it. */
export function createControl(told: string[] = [], change: Partial<Control> = {}): Control {
  const ofBackend = (service: string, backend: string, what: string): ControlResult => {
    if (service !== 'web' || backend !== 'av-1')
      return { ok: false, reason: 'unknown', detail: `there is no ${backend}` };
    told.push(`${service} ${backend} ${what}`);
    return { ok: true };
  };
  return {
    setBackend: ofBackend,
    setWeight: (service, backend, weight) => ofBackend(service, backend, String(weight)),
    connections: async () => CONNECTIONS,
    async block(address, ttlMs) {
      if (!/^[\d.]+$/.test(address)) return { ok: false, reason: 'invalid', detail: 'not an address' };
      told.push(`block ${address} ${ttlMs}`);
      return { ok: true, address, until: ttlMs === undefined ? null : '2026-11-20T23:41:00.000Z' };
    },
    async unblock(address) {
      told.push(`unblock ${address}`);
      return { ok: true };
    },
    blocked: () => [
      { address: '192.0.2.7', until: '2026-11-20T23:41:00.000Z' },
      { address: '2001:db8::/32', until: null },
    ],
    blockedReport: (limit) => ({ ...BLOCKED, entries: BLOCKED.entries.slice(0, limit) }),
    reload: async () => ({ ok: true }),
    ...change,
  };
}

export function createSources(change: Partial<AdminSources & { ready: Readiness }> = {}): AdminSources {
  const { ready = { state: 'ready', isListening: true, servicesDown: [] } } = change;
  return {
    status: () => SNAPSHOT,
    readiness: () => ready,
    metricsText: async () => '# HELP a b\n',
    control: createControl(),
    ...change,
  };
}
