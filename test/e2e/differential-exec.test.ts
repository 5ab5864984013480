import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type Both, configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { WireClient, type WireClientOptions } from '../_util/differential-client.ts';
import type { TunnelProcess } from '../_util/stunnel-process.ts';
import type { WireEnd } from '../_util/watched-socket.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-exec-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Scene {
  /** What the program does, for a shell. */
  readonly script: string;
  readonly lines?: readonly string[];
  readonly identity?: WireClientOptions['identity'];
  readonly sends?: string;
  /** Whether the client finishes when it has sent that. */
  readonly finishes?: boolean;
  readonly text: string;
  /** How its program ends, in stunnel's words. */
  readonly said?: string;
}

const PATIENCE = { timeout: 10_000, interval: 20 };

/** A client that still sends when the other side closes may find that it was reset: then nothing can be compared. */
const RACE = 'a program that ends before it has read everything';

const LONG = 'much to read, '.repeat(20_000);

const SCENES: Readonly<Record<string, Scene>> = {
  'a program that answers when its client has finished': {
    script: 'cat; echo " and on"',
    sends: LONG,
    finishes: true,
    text: `${LONG} and on\n`,
    said: 'finished with code 0',
  },
  'a program that ends by itself': { script: 'echo done; exit 3', text: 'done\n', said: 'finished with code 3' },
  [RACE]: {
    script: 'read -r line; echo "$line"; exec sleep 0.2',
    sends: `first\n${LONG}`,
    text: 'first\n',
    said: 'finished with code 0',
  },
  'a program that is killed': {
    script: 'echo before; kill -9 $$',
    text: 'before\n',
    said: 'terminated on SIGKILL',
  },
  'a program that writes to its standard input': { script: 'echo over 0 >&0', text: 'over 0\n' },
  'a program that closes its standard output and goes on over its standard input': {
    script: 'exec >&-; read -r line; echo "got $line" >&0',
    sends: 'line\n',
    text: 'got line\n',
  },
  'a program that reads and writes nothing': { script: ':', text: '' },
  'the name and the arguments of a program': {
    script: 'tr "\\0" "|" < /proc/$$/cmdline; echo',
    lines: ['execArgs = other  first\tsecond "third'],
    // The shell's path and that of the script come from the first line of the script.
    text: 'SCRIPT|first|second|"third|\n',
  },
  'the environment with a client that shows nothing': {
    script: 'env | grep -E "^(REMOTE_|SSL_CLIENT_)" | sort',
    text: 'REMOTE_HOST=127.0.0.1\nREMOTE_PORT=PORT\n',
  },
  'the environment with a client that is verified': {
    script: 'env | grep -E "^(REMOTE_|SSL_CLIENT_)" | sort',
    lines: [`CAfile = ${lab.ca.cert}`, 'verifyChain = yes'],
    identity: lab.client,
    text: 'REMOTE_HOST=127.0.0.1\nREMOTE_PORT=PORT\nSSL_CLIENT_DN=CN=client\nSSL_CLIENT_I_DN=CN=lab-ca\n',
  },
  'the environment with a client whose certificate is not looked at': {
    script: 'env | grep -E "^(REMOTE_|SSL_CLIENT_)" | sort',
    lines: ['verify = 0'],
    identity: lab.selfSignedClient,
    text: 'REMOTE_HOST=127.0.0.1\nREMOTE_PORT=PORT\nSSL_CLIENT_DN=CN=self-signed-client\nSSL_CLIENT_I_DN=CN=self-signed-client\n',
  },
  'protocol = proxy': {
    script: 'head -1',
    lines: ['protocol = proxy'],
    text: 'PROXY TCP4 127.0.0.1 127.0.0.1 PORT PORT\r\n',
  },
};

interface Outcome {
  readonly text: string;
  readonly end: WireEnd | 'any';
  readonly said: string | undefined;
}

let programs: Programs;
beforeAll(async () => {
  const services = Object.entries(SCENES).map(([name, { script, lines = [] }], index) => {
    const path = join(folder, `program-${index}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return [name, [`exec = ${path}`, ...lines]] as const;
  });
  programs = await startBoth(configText(Object.fromEntries(services)), 'stunnel');
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
});

/** How the program of the last connection of a service ended. */
async function endOf({ log }: TunnelProcess, service: string): Promise<string | undefined> {
  const said = (): string | undefined => {
    const accepted = log.findLast((line) => line.includes(`Service [${service}] accepted connection`)) ?? '';
    const [, connection] = /LOG5\[(\d+)\]/.exec(accepted) ?? [];
    const [, pid] =
      /\(PID=(\d+)\)/.exec(log.find((line) => line.includes(`LOG6[${connection}]: Local mode child`)) ?? '') ?? [];
    return new RegExp(`Child process ${pid} (.*)`).exec(
      log.find((line) => line.includes(`Child process ${pid} `)) ?? '',
    )?.[1];
  };
  return await vi.waitFor(() => {
    const end = said();
    if (end === undefined) throw new Error(`the end of the program of ${service} is not told`);
    return end;
  }, PATIENCE);
}

async function playScene(name: string): Promise<Both<Outcome>> {
  const { identity, sends = '', finishes = false } = SCENES[name] as Scene;
  return await playBoth(programs, async (program) => {
    const client = new WireClient(program.portOf(name), identity === undefined ? {} : { identity });
    await client.handshake();
    if (sends !== '') client.socket.write(sends);
    if (finishes) client.socket.end();
    const end = await client.ended();
    const text = client.text
      .replace(/(REMOTE_PORT=)\d+/, '$1PORT')
      .replace(/^(PROXY TCP4 \S+ \S+) \d+ \d+/, '$1 PORT PORT')
      .replace(/^\/bin\/sh\|[^|]*\|/, 'SCRIPT|');
    return { text, end: name === RACE ? 'any' : end, said: await endOf(program, name) };
  });
}

describe.concurrent('programs serve clients alike', () => {
  test.each(Object.entries(SCENES))('%s', async (name, { text, said }) => {
    const outcome = await playScene(name);
    expect(outcome).toEqual(same({ text, end: outcome.stunnel.end, said: said ?? outcome.stunnel.said }));
  });
});
