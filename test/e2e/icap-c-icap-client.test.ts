import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type StunnelClient, startStunnelClient } from '../_util/e2e-client.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { accessLines, backendsOn, icapService, mutualTls } from '../_util/e2e-icap.ts';
import { runCIcapClient } from '../_util/icap-c-icap.ts';
import { hasClamAv, MARKER, type ScanningServer, startScanningServer, THREAT } from '../_util/icap-clamav.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

const lab = certificates();
const UPLOAD = ['-req', 'http://www.example/form', '-method', 'POST'];

const FILES: Readonly<Record<string, Buffer>> = {
  small: Buffer.from('harmless'),
  // As long as the preview: the client does not say that it was all.
  preview: Buffer.alloc(1024, 'x'),
  large: randomBytes(500_000),
  marked: Buffer.from(`harmless ${MARKER} `),
  late: Buffer.concat([randomBytes(300_000), Buffer.from(MARKER)]),
};
const OPTIONS = [
  [],
  ['-no204'],
  ['-nopreview'],
  ['-no204', '-nopreview'],
  ['-206'],
  ['-206', '-nopreview'],
  ['-w', '0'],
  ['-w', '16', '-no204'],
];
const CASES = Object.keys(FILES).flatMap((file) =>
  OPTIONS.flatMap((options) => [
    { file, method: 'RESPMOD', options },
    { file, method: 'REQMOD', options: [...UPLOAD, ...options] },
  ]),
);

describe.skipIf(!hasClamAv)('c-icap-client, through a real stunnel with a certificate', () => {
  let folder: TestFolder;
  let servers: readonly ScanningServer[];
  let gateway: RunningGateway;
  let stunnel: StunnelClient;

  beforeAll(async () => {
    folder = await createFolder();
    for (const [name, content] of Object.entries(FILES)) writeFileSync(folder.file(name), content);
    const start = (): Promise<ScanningServer> => startScanningServer(lab.rsaServer, lab.ca.cert);
    servers = [await start(), await start()];
    gateway = await startGateway({
      workers: 2,
      log: { access: '-' },
      services: [icapService('icap', backendsOn(servers), mutualTls())],
    });
    stunnel = await startStunnelClient(gateway.port('icap'), lab.client);
  });
  afterAll(async () => {
    for (const one of [stunnel, gateway, ...servers, folder]) await one[Symbol.asyncDispose]();
  });

  /** What it printed, and what it wrote of a body that came back. */
  async function send(service: string, file: string, options: readonly string[]) {
    // It refuses to write over a file, and writes none where no body came.
    const out = folder.file('out');
    rmSync(out, { force: true });
    const output = await runCIcapClient(stunnel.port, service, ['-f', folder.file(file), '-o', out, ...options]);
    return { output, body: existsSync(out) ? readFileSync(out) : undefined };
  }

  test.each(['virus_scan', 'echo', 'ex206'])('is told the options of %s', async (service) => {
    const output = await runCIcapClient(stunnel.port, service, []);
    expect(output).toMatch(/Allow 204: Yes/);
    expect(output).toMatch(/Preview: 1024/);
  });

  test('is told that there is no such service', async () => {
    expect(await runCIcapClient(stunnel.port, 'nonsense', [])).not.toMatch(/Allow 204: Yes/);
  });

  test.each(CASES)('has $file scanned: $method with $options', async ({ file, options }) => {
    const { output, body } = await send('virus_scan', file, options);
    if (file === 'marked' || file === 'late') {
      expect(output).toMatch(/ICAP\/1\.0 200/);
      expect(output).toContain('403 Forbidden');
      expect(output).toContain(THREAT);
      expect(body?.toString()).toContain('VIRUS FOUND');
    } else {
      expect(output).toMatch(/ICAP\/1\.0 20[04]/);
      if (output.includes('ICAP/1.0 200')) expect(body?.equals(FILES[file] ?? Buffer.alloc(0))).toBe(true);
    }
  });

  test.each(CASES)('has $file echoed: $method with $options', async ({ file, options }) => {
    // The service answers previews with 100 and 204 in turns.
    const { output, body } = await send('echo', file, options);
    expect(output).toMatch(/ICAP\/1\.0 20[04]/);
    if (output.includes('ICAP/1.0 200')) expect(body?.equals(FILES[file] ?? Buffer.alloc(0))).toBe(true);
  });

  test('all of it without a second attempt or an error', async () => {
    const requests = 2 * CASES.length;
    const lines = await vi.waitUntil(() => {
      const some = accessLines(gateway).filter(({ method }) => method !== 'OPTIONS');
      return some.length >= requests && some;
    });
    expect(lines).toHaveLength(requests);
    expect(lines.filter(({ verdict }) => verdict !== 'allowed' && verdict !== 'blocked')).toEqual([]);
    expect(lines.filter(({ attempt }) => attempt !== 1)).toEqual([]);
    expect(new Set(lines.map(({ backend }) => backend))).toEqual(new Set(['first', 'second']));
  });
});
