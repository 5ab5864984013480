import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { EICAR } from '../../src/demo/eicar.ts';
import { type IcapServer, startIcapServer } from '../../src/demo/icap-server.ts';
import { createCertificate, generateKey, privateKeyPem } from '../../src/tls/generate.ts';
import { startBrowser, type TestBrowser } from '../_util/browser.ts';
import { certificates } from '../_util/certificates.ts';
import { postApi } from '../_util/e2e-ctl.ts';
import { feedsIn, GUIDE_ADDRESS, GUIDE_EVENT, postFinding } from '../_util/e2e-feed.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { connectScriptClient, type ScriptClient } from '../_util/icap-script-client.ts';
import { reqmod } from '../_util/icap-script-message.ts';
import { visit } from '../_util/tls-client.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const DAYS_LEFT = 12;

/** A gateway with something of everything the page shows; the backend can be taken away and brought back. */
let gateway: RunningGateway;
let backend: IcapServer;
let spare: IcapServer;
let browser: TestBrowser;
let folder: string;

beforeAll(async () => {
  const host = '127.0.0.1';
  backend = await startIcapServer({ host, port: 0 });
  spare = await startIcapServer({ host, port: 0 });
  folder = mkdtempSync(join(tmpdir(), 'icapgw-page-'));
  const key = await generateKey({ type: 'ec', bits: 256 });
  const cert = createCertificate({
    commonName: 'gw.example',
    sans: [{ kind: 'DNS', text: 'gw.example' }],
    role: 'server',
    privateKey: key,
    issuer: undefined,
    notBeforeMs: Date.now() - DAY_MS,
    // Half a day more: the day must not change while this is looked at.
    notAfterMs: Date.now() + (DAYS_LEFT + 0.5) * DAY_MS,
  });
  const served = join(folder, 'server.pem');
  writeFileSync(served, privateKeyPem(key) + cert, { mode: 0o600 });
  const health = { type: 'icap', path: '/reqmod', interval: '200ms', timeout: '1s', rise: 1, fall: 2 };
  const { ca } = certificates();
  gateway = await startGateway({
    workers: 2,
    feeds: feedsIn(folder),
    services: [
      {
        ...{ name: 'dlp', listen: '127.0.0.1:0', protocol: 'icap', tls: 'off', health },
        backends: [
          { name: 'scanner', address: `${host}:${backend.port}` },
          { name: 'spare', address: `${host}:${spare.port}`, priority: 1 },
        ],
      },
      {
        ...{ name: 'cloud', listen: '127.0.0.1:0', protocol: 'tunnel' },
        tls: { cert: served, 'client-auth': { mode: 'require', ca: ca.cert } },
        backends: [{ name: 'spare', address: `${host}:${spare.port}` }],
      },
    ],
  });
  browser = await startBrowser();
}, 60_000);

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  await spare[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** The rows of the tables in a section, each as one line. */
async function rowsOf(page: Page, section: string): Promise<readonly string[]> {
  const rows = await page.locator(`#${section} tbody tr`).all();
  return await Promise.all(rows.map(async (row) => (await row.locator('td').allTextContents()).join(' | ')));
}

async function rowOf(page: Page, section: string, firstCell: string): Promise<string> {
  return (await rowsOf(page, section)).find((row) => row.startsWith(`${firstCell} | `)) ?? '';
}

async function send(client: ScriptClient, body: string): Promise<void> {
  await client.ask(reqmod({ body, lines: ['Allow: 204'] }));
}

describe('the status page in a browser', () => {
  test('shows a backend going down, and up again, while one looks at it', async () => {
    await using look = await browser.visit(`${gateway.adminUrl}/`);
    const { page, complaints } = look;
    const state = (): Promise<string> => rowOf(page, 'service-0', 'scanner');
    expect(await state()).toMatch(/^scanner \| 127\.0\.0\.1:\d+ \| up \| /);
    await page.getByText('Live: renewed').waitFor();

    const { port } = backend;
    await backend[Symbol.asyncDispose]();
    await vi.waitFor(async () => expect(await state()).toMatch(/ \| down \| .*ECONNREFUSED/), { timeout: 10_000 });
    expect((await rowsOf(page, 'changes')).join()).toContain('backend scanner is down, was up: ');
    expect(await page.title()).toBe('ready - icapgw');

    backend = await startIcapServer({ host: '127.0.0.1', port });
    await vi.waitFor(async () => expect(await state()).toMatch(/ \| up \| .*the last check succeeded/), {
      timeout: 10_000,
    });
    expect((await rowsOf(page, 'changes')).join()).toContain('backend scanner is up, was down: ');
    expect(complaints).toEqual([]);
  });

  test('counts verdicts while one looks at it', async () => {
    await using look = await browser.visit(`${gateway.adminUrl}/`);
    const { page } = look;
    await using client = await connectScriptClient(gateway.port('dlp'));
    const countsOf = async (verdict: string): Promise<readonly number[]> =>
      (await rowOf(page, 'service-0', verdict)).split(' | ').slice(1).map(Number);
    const [[, allowed = 0] = [], [, blocked = 0] = []] = [await countsOf('allowed'), await countsOf('blocked')];
    await send(client, 'minutes of the meeting');
    await send(client, 'more minutes');
    await send(client, EICAR);
    await vi.waitFor(
      async () => {
        expect(await countsOf('allowed')).toEqual([expect.any(Number), allowed + 2]);
        expect(await countsOf('blocked')).toEqual([expect.any(Number), blocked + 1]);
      },
      { timeout: 10_000 },
    );
    expect((await countsOf('blocked'))[0]).toBeGreaterThan(0);
    expect(await rowOf(page, 'service-0', 'request to answer')).toMatch(/^request to answer \| [1-9]\d* \| [\d.]+ ms/);
    await vi.waitFor(async () =>
      expect(await rowsOf(page, 'connections')).toEqual([expect.stringMatching(/ \| dlp \| 127\.0\.0\.1:\d+ \| /)]),
    );
  });

  test('marks a certificate that expires soon, and says for how many days it is good', async () => {
    await using look = await browser.visit(`${gateway.adminUrl}/`);
    const { page } = look;
    expect(await rowsOf(page, 'certificates')).toEqual([
      expect.stringMatching(/^cloud \| server \| CN=gw\.example \| \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \| 12 days$/),
      expect.stringMatching(/^cloud \| client-ca \| /),
    ]);
    expect(await page.locator('#certificates .warn').allTextContents()).toEqual(['12 days']);
  });

  test('tells who was refused, why, and how often', async () => {
    for (let times = 0; times < 3; times += 1) await visit({ port: gateway.port('cloud') });
    await using look = await browser.visit(`${gateway.adminUrl}/`);
    const { page } = look;
    await vi.waitFor(
      async () =>
        expect(await rowsOf(page, 'refusals')).toEqual([
          expect.stringMatching(/ \| 3 \| cloud \| 127\.0\.0\.1 \| no-certificate \| .*it sent no certificate$/),
        ]),
      { timeout: 10_000 },
    );
  });

  test('tells whom a feed and an operator have blocked while one looks at it, the newest first', async () => {
    await using look = await browser.visit(`${gateway.adminUrl}/`);
    const { page } = look;
    expect(await page.locator('#blocked p').textContent()).toBe('Nobody is blocked.');
    await postApi(gateway, 'block', { address: '203.0.113.0/24', seconds: 600 });
    expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
    await vi.waitFor(
      async () =>
        expect(await rowsOf(page, 'blocked')).toEqual([
          expect.stringContaining(
            `${GUIDE_ADDRESS} | guardduty | UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom | `,
          ),
          expect.stringMatching(/^203\.0\.113\.0\/24 \| manual \| - \| .* \| off \| -$/),
        ]),
      { timeout: 10_000 },
    );
    expect(await page.locator('#facts').textContent()).toContain('2 addresses blocked');
    // For the documentation: by now there is something of everything.
    const picture = process.env['ICAPGW_SCREENSHOT'];
    if (picture !== undefined) await page.screenshot({ path: picture, fullPage: true });
    for (const address of [GUIDE_ADDRESS, '203.0.113.0/24']) await postApi(gateway, 'unblock', { address });
  });

  test('says that what it shows is old when the gateway does not answer', async () => {
    await using look = await browser.visit(`${gateway.adminUrl}/`);
    const { page } = look;
    await page.getByText('Live: renewed').waitFor();
    await page.route('**/*', (route) => route.abort());
    await page.getByText('what is shown is old').waitFor();
    expect(await rowOf(page, 'service-0', 'scanner')).toContain('scanner');
    await page.unroute('**/*');
    await page.getByText('Live: renewed').waitFor();
  });

  test('shows all of it without JavaScript', async () => {
    await using look = await browser.visit(`${gateway.adminUrl}/`, { javaScriptEnabled: false });
    const { page } = look;
    expect(await page.locator('#live').textContent()).toBe('Without JavaScript: reload the page for newer numbers.');
    expect(await rowOf(page, 'service-0', 'scanner')).toContain(' | up | ');
    await postApi(gateway, 'backends/dlp/scanner/drain');
    await page.reload();
    expect(await rowOf(page, 'service-0', 'scanner')).toContain('set to drain by the operator');
    await postApi(gateway, 'backends/dlp/scanner/ready');
  });

  test('is walked through with the keyboard, and keeps its place while it renews itself', async () => {
    await using look = await browser.visit(`${gateway.adminUrl}/`);
    const { page } = look;
    const focused = page.locator(':focus');
    await page.keyboard.press('Tab');
    expect(await focused.textContent()).toBe('Skip to the services');
    expect(await focused.isVisible()).toBe(true);
    await page.keyboard.press('Tab');
    expect(await focused.textContent()).toBe('Services');
    await page.keyboard.press('Enter');
    expect(await focused.getAttribute('id')).toBe('services');
    const time = await page.locator('#facts time').textContent();
    await vi.waitFor(async () => expect(await page.locator('#facts time').textContent()).not.toBe(time), {
      timeout: 10_000,
    });
    expect(await focused.getAttribute('id')).toBe('services');
  });

  test.each(['light', 'dark'] as const)('fits a phone, %s', async (colorScheme) => {
    await using look = await browser.visit(`${gateway.adminUrl}/`, { colorScheme, width: 360 });
    const { page } = look;
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    const [ground, ink] = (await page.evaluate(
      '[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]',
    )) as [string, string];
    const brightness = (color: string): number =>
      (color.match(/\d+/g) ?? []).reduce((sum, part) => sum + Number(part), 0);
    expect(brightness(ground) > brightness(ink)).toBe(colorScheme === 'light');
  });

  test('may not run or load anything but its own, even if something slipped into it', async () => {
    await using look = await browser.visit(`${gateway.adminUrl}/`);
    const { page, complaints } = look;
    await page.evaluate(`
      const script = document.createElement('script');
      script.textContent = 'window.wasRun = true';
      document.body.append(script);
      const image = new Image();
      image.src = 'https://attacker.example/x.png';
      document.body.append(image);
    `);
    await vi.waitFor(() => expect(complaints.filter((text) => /Content Security Policy/.test(text)).length).toBe(2));
    expect(await page.evaluate('window.wasRun')).toBeUndefined();
  });
});
