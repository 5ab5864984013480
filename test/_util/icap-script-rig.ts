import { expect } from 'vitest';
import { type RunningGateway, startGateway } from './e2e-gateway.ts';
import { type ScriptBackend, startScriptBackend } from './icap-script-backend.ts';
import { connectScriptClient, type ScriptClient } from './icap-script-client.ts';

/** A service of a rig: keys of its configuration, and what is particular about its backends. */
export interface RigService {
  /** One scripted backend each, unless it has an `address`. Earlier ones are used first unless `spread`. */
  readonly backends?: readonly object[];
  /** Backends of equal priority. */
  readonly spread?: boolean;
  readonly config?: object;
}

/** One line of the access log. */
export interface IcapAccessLine {
  readonly service: string;
  readonly client: string;
  readonly backend: string | null;
  readonly method: string | null;
  readonly path: string | null;
  readonly http: string | null;
  readonly status: number | null;
  readonly httpStatus: number | null;
  readonly verdict: string | null;
  readonly threat: string | null;
  readonly user: string | null;
  readonly clientIp: string | null;
  readonly attempt: number;
  readonly retryReason: string | null;
  readonly preview: number | null;
  readonly msToFirstByte: number | null;
  readonly istag: string | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly ms: number;
  readonly reason: string;
}

/** The program with one ICAP service per scenario, and the scripted backends behind them. */
export interface Rig<Name extends string> extends AsyncDisposable {
  readonly gateway: RunningGateway;
  backend(service: Name, index?: number): ScriptBackend;
  connect(service: Name): Promise<ScriptClient>;
  /** A connection of its own for one request; it is closed after the answer. */
  ask(service: Name, request: Buffer): Promise<Awaited<ReturnType<ScriptClient['ask']>>>;
  /** The access log's lines of a service, once there are that many. */
  access(service: Name, count: number): Promise<readonly IcapAccessLine[]>;
}

/**
 * Starts the program with one worker and without health checks, so that a test sees every connection its requests cause;
 * a service's configuration may say otherwise.
 */
export async function startRig<Name extends string>(
  services: Readonly<Record<Name, RigService>>,
  top: object = {},
): Promise<Rig<Name>> {
  const backends = new Map<string, ScriptBackend[]>();
  const configs: object[] = [];
  for (const [name, service] of Object.entries<RigService>(services)) {
    const scripted: ScriptBackend[] = [];
    const entries: object[] = [];
    for (const [index, entry] of (service.backends ?? [{}]).entries()) {
      const place = { name: `backend-${index}`, priority: service.spread === true ? 0 : index };
      if ('address' in entry) {
        entries.push({ ...place, ...entry });
        continue;
      }
      const backend = await startScriptBackend();
      scripted.push(backend);
      entries.push({ ...place, address: backend.address, ...entry });
    }
    backends.set(name, scripted);
    configs.push({ ...DEFAULTS, name, backends: entries, ...service.config });
  }
  const all = [...backends.values()].flat();
  const gateway = await startGateway({ workers: 1, log: { access: '-' }, ...top, services: configs });
  const connect = (service: Name): Promise<ScriptClient> => connectScriptClient(gateway.port(service));
  return {
    gateway,
    connect,
    backend(service, index = 0) {
      const backend = backends.get(service)?.[index];
      if (backend === undefined) throw new Error(`service ${service} has no scripted backend ${index}`);
      return backend;
    },
    async ask(service, request) {
      await using client = await connect(service);
      return await client.ask(request);
    },
    async access(service, count) {
      const lines = (): IcapAccessLine[] => accessLines(gateway.stdout).filter((line) => line.service === service);
      await expect.poll(() => lines().length, { timeout: 5_000 }).toBeGreaterThanOrEqual(count);
      return lines();
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      const ends = await Promise.allSettled(all.map((backend) => backend[Symbol.asyncDispose]()));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
  };
}

const DEFAULTS = {
  listen: '127.0.0.1:0',
  protocol: 'icap',
  tls: 'off',
  health: { type: 'none' },
  outliers: { 'consecutive-failures': 0 },
};

function accessLines(text: string): IcapAccessLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as IcapAccessLine);
}

/** Where nobody listens: a port that is given to nobody, unlike one that was free a moment ago. */
export const REFUSED_ADDRESS = '127.0.0.1:1';
