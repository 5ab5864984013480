import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { analyze, DEPLOY, install, makeFolder } from '../_util/deploy-systemd.ts';

const FOLDER = join(DEPLOY, 'connector');
/** Of 100: an exposure of 1.5. */
const MOST_EXPOSED = '15';

interface Container {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}

function compose(name: string): Readonly<Record<string, Container>> {
  const text = readFileSync(join(FOLDER, name), 'utf8');
  return (parse(text, { merge: true }) as { readonly services: Readonly<Record<string, Container>> }).services;
}

test('the unit of the connector is understood by systemd and gives it little to do harm with', () => {
  using folder = makeFolder();
  const file = install(folder.path, 'icapgw-connector.service', [], 'connector');
  expect(analyze('verify', file)).toEqual({ status: 0, said: '' });
  const { status, said } = analyze('security', '--offline=true', `--threshold=${MOST_EXPOSED}`, '--no-pager', file);
  expect(status, said).toBe(0);
});

test('the unit keeps what is blocked, tells when it is ready, and is started again by itself', () => {
  const unit = readFileSync(join(FOLDER, 'icapgw-connector.service'), 'utf8');
  const settings = unit.split('\n').filter((line) => !line.startsWith('#'));
  expect(settings).toEqual(
    expect.arrayContaining([
      ...['Type=notify', 'StateDirectory=icapgw-connector', 'DynamicUser=yes', 'Restart=on-failure'],
      ...['NoNewPrivileges=yes', 'ProtectSystem=strict'],
    ]),
  );
});

test('nothing leads to the images, downloads and accounts of the connector that it replaces', () => {
  for (const folder of [FOLDER, join(DEPLOY, 'aws')]) {
    for (const file of readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())) {
      expect(readFileSync(join(folder, file.name), 'utf8'), file.name).not.toMatch(
        /frcpnt|docker\.io|docker login|wget/i,
      );
    }
  }
});

test('the configuration is the one of the guide, with its placeholders, and none of the values is a secret', () => {
  const config = parse(readFileSync(join(FOLDER, 'config.yaml'), 'utf8')) as Readonly<Record<string, unknown>>;
  expect(config).toEqual({
    ...{ host: '0.0.0.0', port: 5000, log_level: 'info' },
    ...{ smc_endpoint: 'http://<SMC_ENDPOINT_IP_OR_DOMAIN>', smc_port: 8082, smc_api_key: '<SMC_API_KEY>' },
    ...{ smc_api_version: 6.7, blacklist_duration: 3600, exclude_engines: ['NGFW 1', 'NGFW 2'] },
  });
});

describe('the containers', () => {
  test.each(['compose.yaml', 'compose.rabbitmq.yaml'])('of %s are made of what is here, and may do little', (name) => {
    const services = compose(name);
    const own = Object.values(services).filter(({ image }) => image === 'icapgw');
    expect(own).not.toEqual([]);
    for (const { build, read_only: readOnly, cap_drop: dropped, volumes = [] } of own) {
      expect({ readOnly, dropped }).toEqual({ readOnly: true, dropped: ['ALL'] });
      const context = join(FOLDER, build?.context ?? '');
      expect(existsSync(join(context, 'package.json'))).toBe(true);
      expect(existsSync(join(context, build?.dockerfile ?? ''))).toBe(true);
      const files = volumes.filter((volume) => volume.startsWith('./')).map((volume) => volume.split(':')[0] ?? '');
      for (const file of files) expect(existsSync(join(FOLDER, file)), file).toBe(true);
      // What it has taken is on a volume.
      expect(volumes.some((volume) => volume.endsWith(':/var/lib/icapgw'))).toBe(true);
    }
  });

  test('of the broker has no port outside and no password of ours', () => {
    const { broker, ...connectors } = compose('compose.rabbitmq.yaml');
    expect(broker).not.toHaveProperty('ports');
    expect(broker?.environment?.['RABBITMQ_DEFAULT_PASS']).toMatch(/^\$\{RABBITMQ_PASSWORD:\?/);
    expect(Object.values(connectors).flatMap(({ ports }) => ports)).toEqual(['5000:5000', '5001:5000']);
  });
});
