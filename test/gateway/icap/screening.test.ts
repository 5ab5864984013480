import { describe, expect, test } from 'vitest';
import type { ServiceContext } from '../../../src/gateway/context.ts';
import { ClientRequest } from '../../../src/gateway/icap/client-request.ts';
import type { IcapContext } from '../../../src/gateway/icap/icap-context.ts';
import type { OptionsView } from '../../../src/gateway/icap/options-view.ts';
import { Screening } from '../../../src/gateway/icap/screening.ts';
import { DEFAULT_ICAP_LIMITS } from '../../../src/icap/limits.ts';
import { STRICT } from '../../../src/icap/profile.ts';
import { parseRequestHead } from '../../../src/icap/request-head.ts';
import { Blockade } from '../../../src/policy/blockade.ts';
import { createBypassRules, FILE_TYPE_BYTES } from '../../../src/policy/bypass-rules.ts';
import { createRouter } from '../../../src/policy/route.ts';
import { NOBODY_BLOCKED } from '../../_util/nobody-blocked.ts';

const NO_BYPASS = { contentTypes: [], extensions: [], fileTypes: [], urlOnlyRespmod: false };
const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.alloc(FILE_TYPE_BYTES)]);

interface Rules {
  readonly bodyBytes?: number;
  readonly contentTypes?: readonly string[];
  readonly fileTypes?: readonly string[];
}

/** As much of a service as screening looks at: it has `/scan` for RESPMOD, and blocks 198.51.100.9. */
function contextOf({ bodyBytes = 0, ...bypass }: Rules, learnt: string[] = []): IcapContext {
  const route = { methods: ['RESPMOD'], path: '/scan', backends: [], rewritePath: '/avscan' } as const;
  const service: Partial<ServiceContext> = {
    config: { limits: { bodyBytes } } as ServiceContext['config'],
    blocked: new Blockade({ ...NOBODY_BLOCKED, networks: ['198.51.100.9'] }, ['client-ip']),
  };
  const context: Partial<IcapContext> = {
    service: service as ServiceContext,
    route: createRouter([route], []),
    bypass: createBypassRules({ ...NO_BYPASS, ...bypass }),
    options: { learn: (path: string) => learnt.push(path) } as unknown as OptionsView,
  };
  return context as IcapContext;
}

interface Asked {
  readonly method?: 'REQMOD' | 'RESPMOD';
  readonly path?: string;
  readonly fields?: readonly string[];
  readonly http?: readonly string[];
  readonly body?: 'res-body' | 'null-body';
}

function requestOf({ method = 'RESPMOD', path = '/scan', fields = [], http = [], body = 'res-body' }: Asked = {}) {
  const part = method === 'REQMOD' ? 'req-hdr' : 'res-hdr';
  const block = Buffer.from(['HTTP/1.1 200 OK', ...http, '', ''].join('\r\n'));
  const placed = `Encapsulated: ${part}=0, ${method === 'REQMOD' ? 'req-body' : body}=${block.length}`;
  const lines = [`${method} icap://gw${path} ICAP/1.0`, 'Host: gw', placed, ...fields, '', ''];
  const head = parseRequestHead(Buffer.from(lines.join('\r\n')), 0, STRICT, DEFAULT_ICAP_LIMITS);
  const request = new ClientRequest(head, method);
  request.sections = [{ part, bytes: block }];
  return request;
}

function decisionOn(request: ClientRequest, rules: Rules = {}) {
  const screening = new Screening(contextOf(rules), request);
  screening.begin();
  return screening.decide();
}

describe('a request', () => {
  test.each([
    ['for a path that no route has', { path: '/other' }, 404, 'no-path'],
    ['for a path that has another method', { method: 'REQMOD' }, 405, 'no-method'],
  ] as const)('%s is refused', (_, asked, status, reason) => {
    expect(decisionOn(requestOf(asked))).toEqual({ kind: 'refuse', status, reason });
  });

  test('gets its route, and has the path that backends are asked for learnt', () => {
    const learnt: string[] = [];
    const request = requestOf();
    new Screening(contextOf({}, learnt), request).begin();
    expect([request.route.path, learnt]).toEqual(['/avscan', ['/avscan']]);
  });

  test('is blocked for whom it is from, also where a rule would let it pass', () => {
    const http = ['Content-Type: image/png', 'Content-Length: 11'];
    const request = requestOf({ fields: ['X-Client-IP: 198.51.100.9'], http });
    expect(decisionOn(request, { contentTypes: ['image/*'], bodyBytes: 10 })).toMatchObject({
      kind: 'block',
      party: { level: 'client-ip', address: '198.51.100.9' },
    });
  });

  test.each([
    [10, '10', 'ask'],
    [10, '11', 'oversized'],
    [0, '11', 'ask'],
  ])('with a limit of %i bytes that announces %s: %s', (bodyBytes, length, kind) => {
    const request = requestOf({ http: [`Content-Length: ${length}`] });
    expect(decisionOn(request, { bodyBytes })).toMatchObject({ kind });
  });

  test('that a rule lets pass may be of any size', () => {
    const request = requestOf({ http: ['Content-Type: image/png', 'Content-Length: 11'] });
    const decision = decisionOn(request, { contentTypes: ['image/*'], bodyBytes: 10 });
    expect(decision).toEqual({ kind: 'pass', rule: 'content-type' });
  });
});

describe('nothing is decided', () => {
  test('before the header blocks are there', () => {
    const request = requestOf();
    request.ending = 'complete';
    expect(new Screening(contextOf({}), request).decide()).toBeUndefined();
  });

  test('before a preview is whole, or a message without a body at its end', () => {
    for (const asked of [{ fields: ['Preview: 4096'] }, { body: 'null-body' }] as const) {
      const request = requestOf(asked);
      const screening = new Screening(contextOf({}), request);
      screening.begin();
      expect(screening.decide()).toBeUndefined();
      request.ending = 'complete';
      expect(screening.decide()).toEqual({ kind: 'ask' });
    }
  });

  test('about the type of a body before enough of it is there', async () => {
    const request = requestOf();
    const screening = new Screening(contextOf({ fileTypes: ['png'] }), request);
    screening.begin();
    request.store.append(PNG.subarray(0, FILE_TYPE_BYTES - 1));
    expect(screening.decide()).toBeUndefined();
    request.store.append(PNG.subarray(0, 1));
    expect(await screening.decide()).toEqual({ kind: 'pass', rule: 'file-type' });
  });
});

test('a short body is judged by all there is of it', async () => {
  const request = requestOf();
  request.store.append(Buffer.from('MZ, and no picture'));
  request.ending = 'complete';
  expect(await decisionOn(request, { fileTypes: ['png'] })).toEqual({ kind: 'ask' });
  const picture = requestOf();
  picture.store.append(PNG.subarray(0, 64));
  picture.ending = 'complete';
  expect(await decisionOn(picture, { fileTypes: ['png'] })).toEqual({ kind: 'pass', rule: 'file-type' });
});
