import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { AdminSources, Readiness, StatusSnapshot } from '../../src/observe/status.ts';

export interface HttpReply {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

export interface HttpOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

/** One request to an address as `startAdmin` tells it: `host:port` or `unix:/path`. */
export async function ask(address: string, path: string, options: HttpOptions = {}): Promise<HttpReply> {
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
  call.end();
  return await promise;
}

export const SNAPSHOT: StatusSnapshot = {
  version: '1.2.3',
  startedAt: '2026-11-20T23:29:14.000Z',
  state: 'ready',
  workers: 2,
  services: [
    {
      name: 'mcas',
      protocol: 'tunnel',
      listen: ['127.0.0.1:11344'],
      connections: { active: 3, accepted: 9, rejected: 1, handshakesFailed: 2 },
      bytes: { received: 10, sent: 20 },
      icap: null,
      backends: [
        {
          name: 'dlp-1',
          address: '10.0.0.5:1344',
          state: 'down',
          reason: '<b>3 checks failed</b>',
          since: '2026-11-20T23:29:15.000Z',
          active: 0,
          idle: 0,
          limit: null,
        },
      ],
    },
    {
      name: 'web',
      protocol: 'icap',
      listen: ['127.0.0.1:11345'],
      connections: { active: 0, accepted: 1, rejected: 0, handshakesFailed: 0 },
      bytes: { received: 1, sent: 2 },
      icap: {
        queued: 4,
        verdicts: { allowed: 71, modified: 0, blocked: 5, bypassed: 6, error: 0, aborted: 0 },
      },
      backends: [
        {
          name: 'av-1',
          address: '10.0.0.6:1344',
          state: 'up',
          reason: 'the last check succeeded',
          since: '2026-11-20T23:29:15.000Z',
          active: 8,
          idle: 9,
          limit: 24,
        },
      ],
    },
  ],
};

export function createSources(change: Partial<AdminSources & { ready: Readiness }> = {}): AdminSources {
  const { ready = { state: 'ready', servicesDown: [] } } = change;
  return {
    status: () => SNAPSHOT,
    readiness: () => ready,
    metricsText: async () => '# HELP a b\n',
    ...change,
  };
}
