import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { parse, type ScalarTag } from 'yaml';
import { SYSTEM_CLOCK } from '../../src/feeds/contract/feed-clock.ts';
import { readReport } from '../../src/feeds/guardduty/finding.ts';
import { startFeedListener } from '../_util/feed-listener.ts';

const AWS = join(import.meta.dirname, '../../deploy/aws');
const EVENTS = join(AWS, 'events');

/** CloudFormation's short forms, as their long ones. */
const TAGS = ['Ref', 'GetAtt', 'Equals'].flatMap((name) => {
  const long = name === 'Ref' ? name : `Fn::${name}`;
  const scalar: ScalarTag = { tag: `!${name}`, resolve: (value) => ({ [long]: value }) };
  return [scalar, { tag: `!${name}`, collection: 'seq' as const, resolve: (value: unknown) => ({ [long]: value }) }];
});

interface Resource {
  readonly Type: string;
  readonly Condition?: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

const template = parse(readFileSync(join(AWS, 'guardduty.yaml'), 'utf8'), { customTags: TAGS as never }) as {
  readonly Parameters: Readonly<Record<string, { readonly NoEcho?: boolean; readonly Default?: string }>>;
  readonly Resources: Readonly<Record<string, Resource>>;
};
const exporter = template.Resources['GuardDutyExporter']?.Properties as {
  readonly Runtime: string;
  readonly Handler: string;
  readonly Timeout: number;
  readonly Code: { readonly ZipFile: string };
  readonly Environment: { readonly Variables: Readonly<Record<string, unknown>> };
};

const folder = mkdtempSync(join(tmpdir(), 'icapgw-lambda-'));
writeFileSync(join(folder, 'index.js'), exporter.Code.ZipFile);
writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }');
const { handler } = createRequire(import.meta.url)(join(folder, 'index.js')) as {
  readonly handler: (event: unknown) => Promise<{ readonly status: number; readonly result: string }>;
};
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.unstubAllEnvs();
});

interface Posted {
  readonly method: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Something that answers as the connector may. The environment of the function points to it. */
async function startConnector(status: number | 'never' = 200, more: Readonly<Record<string, string>> = {}) {
  const posted: Posted[] = [];
  const server = createServer((request, response) => {
    text(request).then((body) => {
      posted.push({ method: request.method, headers: request.headers, body });
      if (status === 'never') return;
      response.writeHead(status, more);
      response.end(status === 200 ? 'Success!' : 'the queue cannot take it');
    }, console.error);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  vi.stubEnv('CONNECTOR_URL', `http://127.0.0.1:${port}/api/`);
  return {
    posted,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function eventOf(name: string): { readonly detail: Readonly<Record<string, unknown>> } {
  return JSON.parse(readFileSync(join(EVENTS, `${name}.json`), 'utf8')) as never;
}

function capitalised(_: string, first: string, rest: string): string {
  return `"${first.toUpperCase()}${rest}":`;
}

/** The addresses in what was posted, wherever they stand. */
function addressesIn({ body }: Posted): string[] {
  return [...new Set(body.match(/\b(?:\d{1,3}\.){3}\d{1,3}\b|\b2001:db8:[0-9a-f:]*/g))];
}

describe('the stack', () => {
  const { Resources } = template;

  test('has what the guide names, under the names it names', () => {
    expect(Object.entries(Resources).map(([name, { Type }]) => `${name} ${Type}`)).toEqual([
      'GuardDutyDetector AWS::GuardDuty::Detector',
      'GuardDutyWatcher AWS::Events::Rule',
      'GuardDutyExporterPermission AWS::Lambda::Permission',
      'UndeliveredFindings AWS::SQS::Queue',
      'GuardDutyExporterLog AWS::Logs::LogGroup',
      'GuardDutyExporterRole AWS::IAM::Role',
      'GuardDutyExporterRetries AWS::Lambda::EventInvokeConfig',
      'GuardDutyExporter AWS::Lambda::Function',
    ]);
    expect(Resources['GuardDutyDetector']?.Condition).toBe('WantsDetector');
    expect(Resources['GuardDutyWatcher']?.Properties).toMatchObject({
      EventPattern: { source: ['aws.guardduty'], 'detail-type': ['GuardDuty Finding'] },
    });
    expect(Resources['GuardDutyExporterPermission']?.Properties).toMatchObject({
      Principal: 'events.amazonaws.com',
      SourceArn: { 'Fn::GetAtt': 'GuardDutyWatcher.Arn' },
    });
  });

  test('lets the function write its log and keep what was not taken, and nothing else', () => {
    const policies = JSON.stringify(Resources['GuardDutyExporterRole']);
    const actions = [...policies.matchAll(/"Action":("[^"]*"|\[[^\]]*\])/g)].flatMap(([, one = '']) => JSON.parse(one));
    expect(actions).toEqual(['sts:AssumeRole', 'logs:CreateLogStream', 'logs:PutLogEvents', 'sqs:SendMessage']);
    expect(policies).not.toContain('*');
  });

  test('shows its secrets to nobody, and refers only to what is there', () => {
    expect(template.Parameters).toMatchObject({ Token: { NoEcho: true, Default: '' }, SigningKey: { NoEcho: true } });
    const whole = JSON.stringify(template);
    const names = new Set([...Object.keys(Resources), ...Object.keys(template.Parameters)]);
    const references = [...whole.matchAll(/"(?:Ref|Fn::GetAtt)":"([^".]+)/g)].map(([, name]) => name);
    expect(references.filter((name) => !names.has(name ?? ''))).toEqual([]);
  });

  test('has a function that fits into the template and outlives its own deadline', () => {
    expect(exporter).toMatchObject({ Runtime: 'nodejs24.x', Handler: 'index.handler' });
    expect(exporter.Code.ZipFile.length).toBeLessThan(4096);
    expect(exporter.Timeout * 1000).toBeGreaterThan(Number(exporter.Environment.Variables['CONNECTOR_TIMEOUT_MS']));
  });
});

const SAMPLES: readonly (readonly [name: string, addresses: readonly string[]])[] = [
  ['guide-test', ['198.51.100.0']],
  ['aws-api-call', ['198.51.100.1']],
  ['network-connection', ['198.51.100.2']],
  ['port-probe', ['198.51.100.3', '198.51.100.4']],
  ['kubernetes-api-call', ['198.51.100.5']],
  ['rds-login-attempt', ['2001:db8::6']],
  ['dns-request', []],
];

describe('the connector itself', () => {
  test.each(SAMPLES)('takes %s with a token and a signature', async (name, addresses) => {
    await using feed = await startFeedListener({
      ...{ token: 'a-shared-secret', hmacKey: 'a-signing-key' },
      clock: SYSTEM_CLOCK,
    });
    vi.stubEnv('CONNECTOR_URL', `http://127.0.0.1:${feed.port}/api/`);
    vi.stubEnv('CONNECTOR_TOKEN', 'a-shared-secret');
    vi.stubEnv('CONNECTOR_HMAC_KEY', 'a-signing-key');
    const result = `blocked=${addresses.length}, extended=0, ignored=0`;
    expect(await handler(eventOf(name))).toEqual({ status: 200, result });
    expect(feed.taken.map((found) => found.map(({ address }) => address))).toEqual([addresses]);
    expect(feed.taken.flat().map(({ type }) => type)).toEqual(addresses.map(() => eventOf(name).detail['type']));
  });

  test.each([
    ['CONNECTOR_TOKEN', 'the connector answered 401'],
    ['CONNECTOR_HMAC_KEY', 'the connector answered 401'],
  ])('does not take what comes with another %s', async (name, error) => {
    await using feed = await startFeedListener({
      ...{ token: 'a-shared-secret', hmacKey: 'a-signing-key' },
      clock: SYSTEM_CLOCK,
    });
    vi.stubEnv('CONNECTOR_URL', `http://127.0.0.1:${feed.port}/api/`);
    vi.stubEnv('CONNECTOR_TOKEN', 'a-shared-secret');
    vi.stubEnv('CONNECTOR_HMAC_KEY', 'a-signing-key');
    vi.stubEnv(name, 'another');
    await expect(handler(eventOf('guide-test'))).rejects.toThrow(error);
    expect(feed.taken).toEqual([]);
  });
});

describe('a finding', () => {
  test.each(SAMPLES)('%s leaves AWS with its remote addresses and no address of our own', async (name, addresses) => {
    await using connector = await startConnector(200, { 'X-Icapgw-Result': 'blocked=1, extended=0, ignored=0' });
    expect(await handler(eventOf(name))).toEqual({ status: 200, result: 'blocked=1, extended=0, ignored=0' });
    const [request] = connector.posted;
    if (request === undefined) throw new TypeError('nothing was posted');
    expect(request).toMatchObject({ method: 'POST', headers: { 'content-type': 'application/json' } });
    expect(addressesIn(request)).toEqual(addresses);
    expect(request.body).not.toMatch(/resource|localIpDetails|accountId|i-99999999/);
    const { detail } = JSON.parse(request.body) as { readonly detail: { readonly type: unknown } };
    expect(detail.type).toBe(eventOf(name).detail['type']);
    expect(request.headers).not.toHaveProperty('authorization');
    expect(request.headers).not.toHaveProperty('x-icapgw-signature');
  });

  test.each([
    ['guide-test', ['198.51.100.0']],
    ['port-probe', ['198.51.100.3', '198.51.100.4']],
    ['kubernetes-api-call', ['198.51.100.5', '198.51.100.6']],
    ['rds-login-attempt', ['2001:db8::6']],
  ])('%s as the SDK writes it leaves AWS with the same, and nothing else either', async (name, addresses) => {
    await using connector = await startConnector();
    const asSdk = JSON.parse(JSON.stringify(eventOf(name)).replaceAll(/"([a-z])(\w*)":/gi, capitalised)) as {
      readonly Detail: { readonly Service: { readonly Action: { readonly KubernetesApiCallAction?: object } } };
    };
    const { KubernetesApiCallAction: call } = asSdk.Detail.Service.Action;
    if (call !== undefined) Object.assign(call, { SourceIPs: undefined, SourceIps: ['198.51.100.5', '198.51.100.6'] });
    await handler(asSdk.Detail);
    const [request] = connector.posted;
    if (request === undefined) throw new TypeError('nothing was posted');
    expect(addressesIn(request)).toEqual(addresses);
    expect(request.body).not.toMatch(/resource|localIpDetails|accountId|i-99999999/i);
    expect(readReport(JSON.parse(request.body), 0).found.map(({ address }) => address)).toEqual(addresses);
  });

  test('of each sample is tried here', () => {
    expect(readdirSync(EVENTS)).toHaveLength(SAMPLES.length);
  });

  test('goes with the token and a signature where there are secrets, which no log has', async () => {
    await using connector = await startConnector();
    vi.stubEnv('CONNECTOR_TOKEN', 'a-shared-secret');
    vi.stubEnv('CONNECTOR_HMAC_KEY', 'a-signing-key');
    const logged = vi.spyOn(console, 'log').mockImplementation(() => {});
    await handler(eventOf('aws-api-call'));
    const { headers, body } = connector.posted[0] as Posted;
    const timestamp = String(headers['x-icapgw-timestamp']);
    const expected = createHmac('sha256', 'a-signing-key').update(`${timestamp}.${body}`).digest('hex');
    expect(headers['authorization']).toBe('Bearer a-shared-secret');
    expect(headers['x-icapgw-signature']).toBe(`sha256=${expected}`);
    expect(Math.abs(Date.now() / 1000 - Number(timestamp))).toBeLessThan(10);
    expect(logged.mock.calls.flat().join('\n')).not.toMatch(/a-shared-secret|a-signing-key/);
    logged.mockRestore();
  });

  test.each([503, 500, 429, 401, 404])('that is answered %d is not taken, so that AWS tries again', async (status) => {
    await using _connector = await startConnector(status);
    await expect(handler(eventOf('aws-api-call'))).rejects.toThrow(`the connector answered ${status}`);
  });

  test('is not carried on to where a redirect points', async () => {
    await using elsewhere = await startConnector();
    await using connector = await startConnector(307, { Location: process.env['CONNECTOR_URL'] ?? '' });
    await expect(handler(eventOf('aws-api-call'))).rejects.toThrow('the connector answered 307');
    expect([connector.posted.length, elsewhere.posted.length]).toEqual([1, 0]);
  });

  test('is not taken by a connector that does not answer or is not there', async () => {
    {
      await using _silent = await startConnector('never');
      vi.stubEnv('CONNECTOR_TIMEOUT_MS', '50');
      await expect(handler(eventOf('aws-api-call'))).rejects.toThrow('no answer within 50 ms');
    }
    await expect(handler(eventOf('aws-api-call'))).rejects.toThrow(/could not be reached: ECONN/);
  });
});
