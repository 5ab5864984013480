import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type IcapServer, startIcapServer } from '../../src/demo/icap-server.ts';
import { certificates } from '../_util/certificates.ts';
import { panelQueries, readDashboard, withoutVariables } from '../_util/deploy-grafana.ts';
import { alertRules, recordingRules } from '../_util/deploy-prometheus.ts';
import { feedsIn, findingOf, postFinding } from '../_util/e2e-feed.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { backendsOn, icapService, mutualTls, SCAN_PATH } from '../_util/e2e-icap.ts';
import { ask, startTunnelBackend, type TunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { type FakeSmc, startFakeSmc } from '../_util/fake-smc.ts';
import { createIcapVisitor, type IcapVisitor } from '../_util/icap-visitor.ts';
import { hasPrometheus, type PrometheusServer, type Sample, startPrometheus } from '../_util/prometheus-server.ts';

const CARD_NUMBER = '4111 1111 1111 1111';
const SMC_KEY = 'key-of-the-api-client';
const WAIT = { timeout: 30_000, interval: 500 };

/** What was started, ended in the opposite order. */
const running = new AsyncDisposableStack();
let scanners: readonly IcapServer[];
let echo: TunnelBackend;
let gateways: readonly RunningGateway[];
/** What Prometheus calls the gateways. */
let instances: readonly string[];
let prometheus: PrometheusServer;
let visitors: readonly IcapVisitor[];
let smc: FakeSmc;
/** Requests that were blocked, by all gateways. */
let blocked = 0;
/** Addresses that were found, by each feed. */
let findings = 0;

async function startScanner(): Promise<IcapServer> {
  return running.use(await startIcapServer({ host: '127.0.0.1', port: 0 }));
}

/**
 * Two services that scan, `web` over TLS and `mail` in clear, and one tunnel; content passes while no scanner is up. A
 * feed with an SMC behind it beside them.
 */
async function startOne(tokenFile: string, state: string): Promise<RunningGateway> {
  const backends = backendsOn(scanners);
  const tunnel = tunnelConfig([{ name: 'echo', address: echo.address }]) as { readonly services: readonly object[] };
  const gateway = await startGateway({
    workers: 2,
    admin: { listen: '127.0.0.1:0', 'token-file': tokenFile },
    feeds: feedsIn(state, { smc: { endpoint: smc.url, 'api-key': SMC_KEY, linger: '20ms' } }),
    services: [
      icapService('web', backends, { ...mutualTls(), 'when-down': 'bypass' }),
      icapService('mail', backends),
      ...tunnel.services,
    ],
  });
  return running.use(gateway);
}

/** Some of everything, at every gateway and service at once. */
async function work(): Promise<void> {
  const scans = visitors.map(async (visitor) => {
    for (let turn = 0; turn < 20; turn += 1) {
      await visitor.visit('harmless', { allow204: true, previewBytes: 4 });
      await visitor.visit('harmless', { method: 'RESPMOD' });
      const { verdict } = await visitor.visit(`pay with ${CARD_NUMBER} `);
      blocked += Number(verdict === 'blocked');
    }
  });
  findings += 1;
  const finding = findingOf(`198.51.100.${findings}`);
  const posts = gateways.map(async (gateway) => expect((await postFinding(gateway, finding))[0]).toBe(200));
  const tunnels = gateways.map(async (gateway) => expect(await ask(gateway.port('tunnel'))).toBe('ping'));
  await Promise.all([...scans, ...tunnels, ...posts]);
}

function instancesOf(samples: readonly Sample[]): readonly (string | undefined)[] {
  return [...new Set(samples.map(({ labels }) => labels['instance']))].sort();
}

describe.skipIf(!hasPrometheus)('a Prometheus that scrapes two gateways under load', () => {
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'icapgw-scrape-'));
    running.defer(() => rmSync(folder, { recursive: true }));
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'a-token-for-prometheus-and-nobody-else\n');
    scanners = [await startScanner(), await startScanner()];
    echo = running.use(await startTunnelBackend());
    smc = running.use(await startFakeSmc({ engines: [{ name: 'NGFW 1' }], apiKey: SMC_KEY }));
    gateways = [await startOne(tokenFile, join(folder, 'first')), await startOne(tokenFile, join(folder, 'second'))];
    const tls = certificates().client;
    visitors = gateways.flatMap((gateway) => [
      running.use(createIcapVisitor({ port: gateway.port('web'), path: SCAN_PATH, tls })),
      running.use(createIcapVisitor({ port: gateway.port('mail'), path: SCAN_PATH })),
    ]);
    instances = gateways.map(({ adminUrl }) => new URL(adminUrl).host).sort();
    prometheus = running.use(await startPrometheus({ targets: instances, tokenFile }));
  });

  afterAll(() => running.disposeAsync());

  test('has data for every recording rule, from both', async () => {
    await vi.waitFor(async () => {
      await work();
      expect(instancesOf(await prometheus.query('up == 1'))).toEqual(instances);
      for (const { record } of recordingRules()) {
        expect(instancesOf(await prometheus.query(record)), record).toEqual(instances);
      }
      const judged = await prometheus.query('instance_service:icapgw_icap_verdicts:rate5m > 0');
      const places = judged.map(({ labels }) => `${labels['instance']} ${labels['service']}`);
      expect(places.sort()).toEqual(instances.flatMap((instance) => [`${instance} mail`, `${instance} web`]));
    }, WAIT);
  });

  test('answers every query of the dashboard', async () => {
    const queries = panelQueries(readDashboard()).filter(({ place }) => !place.startsWith('Alerts'));
    await vi.waitFor(async () => {
      await work();
      const silent: string[] = [];
      for (const { place, expr } of queries) {
        const samples = await prometheus.query(withoutVariables(expr, '10s'));
        if (!samples.some(({ value }) => Number.isFinite(value))) silent.push(place);
      }
      expect(silent).toEqual([]);
    }, WAIT);
  });

  test('counts what was blocked, and knows all rules', async () => {
    await expect
      .poll(async () => (await prometheus.query('sum(icapgw_icap_verdicts_total{verdict="blocked"})'))[0]?.value, WAIT)
      .toBe(blocked);
    expect(blocked).toBeGreaterThan(0);
    const rules = await prometheus.rules();
    const names = [...recordingRules().map(({ record }) => record), ...alertRules().map(({ alert }) => alert)];
    expect(rules.map(({ name }) => name).sort()).toEqual(names.sort());
    expect(rules.filter(({ health, lastError }) => health !== 'ok' || lastError !== undefined)).toEqual([]);
    expect(await prometheus.query('ALERTS')).toEqual([]);
  });

  test('fires when the scanners are gone and content passes unjudged', async () => {
    for (const scanner of scanners) await scanner[Symbol.asyncDispose]();
    await vi.waitFor(async () => {
      await work();
      const pending = await prometheus.query('count by (alertname, service) (ALERTS{alertstate="pending"})');
      const named = pending.map(({ labels, value }) => `${value} ${labels['alertname']} ${labels['service']}`);
      expect(named).toEqual(
        expect.arrayContaining([
          '4 IcapgwBackendDown mail',
          '4 IcapgwBackendDown web',
          '2 IcapgwNoBackend mail',
          '2 IcapgwNoBackend web',
          '2 IcapgwContentUnjudged web',
          '2 IcapgwRequestsFail mail',
        ]),
      );
      const firing = await prometheus.query('ALERTS{alertname=~"Icapgw.+", alertstate="firing"}');
      expect(firing.map(({ labels }) => `${labels['alertname']} ${labels['service']} ${labels['rule']}`)).toEqual([
        'IcapgwSomeContentUnjudged web when-down',
        'IcapgwSomeContentUnjudged web when-down',
      ]);
    }, WAIT);
    const alerts = (await prometheus.rules()).flatMap(({ alerts = [] }) => alerts);
    const [unjudged] = alerts.filter(({ state }) => state === 'firing');
    expect(unjudged?.annotations['summary']).toMatch(
      /^Service web on 127\.0\.0\.1:\d+ let content pass unjudged \(when-down\)$/,
    );
    expect(unjudged?.annotations['description']).toMatch(/^About \d+ requests passed/);
  });
});
