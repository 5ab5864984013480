import { Resolver } from 'node:dns/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { freePorts, type ServerProcess, startServerProcess } from './server-process.ts';

const DNSMASQ = '/usr/sbin/dnsmasq';

/** What a name server says of `example`; everything else is refused. */
export interface Zone {
  /** Lines of a hosts file: `127.0.0.2 dlp.example`. */
  readonly hosts: readonly string[];
  /** `_icap._tcp.example,dlp.example,1344,10,60`: name, target, port, priority, weight. */
  readonly srv?: readonly string[];
}

/** A name server of the test's own, on the loopback. Disposing ends it. */
export interface Dnsmasq extends AsyncDisposable {
  /** `127.0.0.1:5353`. */
  readonly address: string;
  /** Has it read another hosts file; a change of SRV records restarts it. Resolves when it answers. */
  change(zone: Zone): Promise<void>;
  /** Ends it; `change` starts it again. */
  stop(): Promise<void>;
}

/** The TTL is that of all its answers. */
export async function startDnsmasq(zone: Zone, ttlSeconds = 1): Promise<Dnsmasq> {
  const folder = mkdtempSync(join(tmpdir(), 'icapgw-dns-'));
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const hosts = join(folder, 'hosts');
  const configuration = join(folder, 'dnsmasq.conf');
  let running: ServerProcess | undefined;
  let srv: string | undefined;

  async function change(next: Zone): Promise<void> {
    const nextSrv = (next.srv ?? []).map((record) => `srv-host=${record}\n`).join('');
    // The answer to this name tells that what stands beside it is known.
    const marker = `127.9.${Math.floor(Math.random() * 250)}.${Math.floor(Math.random() * 250)}`;
    writeFileSync(hosts, [...next.hosts, `${marker} marker.example`, ''].join('\n'));
    if (running === undefined || nextSrv !== srv) {
      srv = nextSrv;
      writeFileSync(configuration, configurationOf(port, folder, hosts, ttlSeconds) + srv);
      await running?.stop();
      running = startServerProcess(DNSMASQ, ['--keep-in-foreground', `--conf-file=${configuration}`]);
    } else {
      process.kill(running.pid, 'SIGHUP');
    }
    await running.until(() => answers(address, marker));
  }

  await change(zone);
  return {
    address,
    change,
    async stop() {
      await running?.stop();
      running = undefined;
    },
    async [Symbol.asyncDispose]() {
      await running?.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configurationOf(port: number, folder: string, hosts: string, ttlSeconds: number): string {
  return [
    `port=${port}`,
    'listen-address=127.0.0.1',
    'bind-interfaces',
    // It gives up being root, and would not be let into the folder.
    `user=${userInfo().username}`,
    `pid-file=${join(folder, 'pid')}`,
    'no-resolv',
    'no-hosts',
    `addn-hosts=${hosts}`,
    'local=/example/',
    `local-ttl=${ttlSeconds}`,
    '',
  ].join('\n');
}

async function answers(address: string, marker: string): Promise<void> {
  const dns = new Resolver({ timeout: 500, tries: 1 });
  dns.setServers([address]);
  await vi.waitFor(
    async () => {
      const found = await dns.resolve4('marker.example');
      if (!found.includes(marker)) throw new Error('still the answers from before');
    },
    { timeout: 10_000, interval: 20 },
  );
}
