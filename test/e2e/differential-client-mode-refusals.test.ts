import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { LAUNCHER, runCommand, STUNNEL } from '../_util/e2e-launcher.ts';

const lab = certificates();
const chain = [`CAfile = ${lab.ca.cert}`, 'verifyChain = yes'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'icapgw-refusals-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** What a program says is wrong with a section in client mode, without the place where it says so. */
async function refusal(program: string, lines: readonly string[]): Promise<string> {
  const file = join(folder, 'stunnel.conf');
  const section = ['[icap]', 'client = yes', 'accept = 127.0.0.1:0', 'connect = 127.0.0.1:9', ...lines];
  await writeFile(file, ['foreground = yes', 'pid =', ...section, ''].join('\n'));
  const { code, stderr } = await runCommand(program, [file]);
  expect(code).toBe(1);
  expect(stderr).toContain('[!] Configuration failed\n');
  return stderr.replaceAll(/^\[!\] \S+:\d+: ".*": /gm, '[!] ');
}

test.each([
  ['redirect', [...chain, 'redirect = 127.0.0.1:9'], 'Service [icap]: "redirect" is unsupported in client sections'],
  [
    'protocol = proxy',
    ['protocol = proxy'],
    "Service [icap]: The 'proxy' protocol is not supported in the client mode",
  ],
])('%s is for servers: both refuse it in a client section, in the same words', async (_, lines, words) => {
  expect(await refusal(STUNNEL, lines)).toContain(`[!] ${words}`);
  expect(await refusal(LAUNCHER, lines)).toContain(`[!] ${words}`);
});

test.each([
  ['verification without a CA', ['verifyChain = yes']],
  ['a name to look for without verification', ['checkHost = server.example']],
  ['a certificate without its key', [`cert = ${lab.client.cert}`]],
  ['a CA that is not there', ['CAfile = /nowhere.pem', 'verifyChain = yes']],
])('both refuse a client section with %s', async (_, lines) => {
  await refusal(STUNNEL, lines);
  await refusal(LAUNCHER, lines);
});
