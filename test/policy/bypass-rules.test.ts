import { describe, expect, test } from 'vitest';
import type { IcapConfig } from '../../src/config/icap-config.ts';
import type { Section } from '../../src/icap/encapsulated.ts';
import { type BypassRules, createBypassRules, FILE_TYPE_BYTES } from '../../src/policy/bypass-rules.ts';

const NOTHING: IcapConfig['bypass'] = { contentTypes: [], fileTypes: [], extensions: [], urlOnlyRespmod: false };

function rulesOf(given: Partial<IcapConfig['bypass']>): BypassRules {
  const rules = createBypassRules({ ...NOTHING, ...given });
  if (rules === undefined) throw new Error('no rules');
  return rules;
}

function section(part: Section['part'], ...lines: readonly string[]): Section {
  return { part, bytes: Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1') };
}

const request = (...fields: readonly string[]): Section => section('req-hdr', 'POST /upload HTTP/1.1', ...fields);
const response = (...fields: readonly string[]): Section => section('res-hdr', 'HTTP/1.1 200 OK', ...fields);

test('without a rule there are none', () => {
  expect(createBypassRules(NOTHING)).toBeUndefined();
});

test.each([
  { contentTypes: ['image/*'] },
  { contentTypes: ['image/png'] },
  { extensions: ['mp4'] },
  { fileTypes: ['pdf'] },
  { urlOnlyRespmod: true },
])('one is enough: %j', (given) => {
  expect(createBypassRules({ ...NOTHING, ...given })).toBeDefined();
});

describe('a content type', () => {
  const rules = rulesOf({ contentTypes: ['Video/MP4', 'image/*'] });

  test.each([
    'video/mp4',
    'VIDEO/mp4',
    'video/mp4; codecs="avc1"',
    'video/mp4 ;codecs=avc1',
    'image/png',
    'image/svg+xml;charset=utf-8',
  ])('%s is bypassed', (type) => {
    expect(rules.byHead('REQMOD', [request(`Content-Type: ${type}`)], 'req-body')).toBe('content-type');
  });

  test.each(['video/mp4x', 'video/*', 'imagex/png', 'application/x; image/png', 'text/html', ''])(
    '%j is not',
    (type) => {
      expect(rules.byHead('REQMOD', [request(`Content-Type: ${type}`)], 'req-body')).toBeUndefined();
    },
  );

  test('is that of what is sent: the request in REQMOD, the response in RESPMOD', () => {
    const image = 'Content-Type: image/png';
    const html = 'Content-Type: text/html';
    expect(rules.byHead('RESPMOD', [request(html), response(image)], 'res-body')).toBe('content-type');
    expect(rules.byHead('RESPMOD', [request(image), response(html)], 'res-body')).toBeUndefined();
    expect(rules.byHead('RESPMOD', [request(image)], 'res-body')).toBeUndefined();
  });

  test('is every one that is named: of two, either may count', () => {
    const [image, html] = ['Content-Type: image/png', 'content-type : text/html'];
    expect(rules.byHead('REQMOD', [request(image, html)], 'req-body')).toBeUndefined();
    expect(rules.byHead('REQMOD', [request(html, image)], 'req-body')).toBeUndefined();
    expect(rules.byHead('REQMOD', [request(image, 'Content-Type: video/mp4')], 'req-body')).toBe('content-type');
  });

  test('that nobody names is not bypassed', () => {
    expect(rules.byHead('REQMOD', [request()], 'req-body')).toBeUndefined();
    expect(rules.byHead('REQMOD', [], 'req-body')).toBeUndefined();
  });
});

describe('an extension', () => {
  const rules = rulesOf({ extensions: ['mp4', 'MKV'] });
  const ofTarget = (target: string) =>
    rules.byHead('REQMOD', [section('req-hdr', `PUT ${target} HTTP/1.1`, 'Host: a')], 'req-body');
  const ofDownload = (...fields: readonly string[]) =>
    rules.byHead('RESPMOD', [section('req-hdr', 'GET /get/a.mp4 HTTP/1.1'), response(...fields)], 'res-body');

  test.each(['/a.mp4', '/b/a.MP4?x=y', 'http://misc/film.mkv'])('of %s is bypassed', (target) => {
    expect(ofTarget(target)).toBe('extension');
  });

  test.each(['/a.exe', '/a.mp4/', '/mp4', '/a.exe?b=.mp4', 'http://host.mp4', '*', '/a%2Emp4'])(
    'of %s is not',
    (target) => {
      expect(ofTarget(target)).toBeUndefined();
    },
  );

  test('of a download is that of the URL', () => {
    expect(ofDownload()).toBe('extension');
    expect(ofDownload('Content-Disposition: attachment')).toBe('extension');
  });

  test('of a download is that of the name it is saved under, where its server offers one', () => {
    expect(ofDownload('Content-Disposition: attachment; filename="a.mkv"')).toBe('extension');
    expect(ofDownload('Content-Disposition: attachment; filename="a.exe"')).toBeUndefined();
  });

  test('has to be that of all names a server offers', () => {
    const value = (second: string) => `Content-Disposition: attachment; filename=a.mp4; filename*=UTF-8''${second}`;
    expect(ofDownload(value('a.mkv'))).toBe('extension');
    expect(ofDownload(value('a.exe'))).toBeUndefined();
    const fields = ['a.mp4', 'a.exe'].map((name) => `Content-Disposition: attachment; filename=${name}`);
    expect(ofDownload(...fields)).toBeUndefined();
  });

  test('of an upload is not what the upload says of itself', () => {
    const upload = request('Content-Disposition: attachment; filename=a.mp4');
    expect(rules.byHead('REQMOD', [upload], 'req-body')).toBeUndefined();
  });

  test('needs a request', () => {
    expect(rules.byHead('RESPMOD', [response()], 'res-body')).toBeUndefined();
  });
});

describe('url-only-respmod', () => {
  const rules = rulesOf({ urlOnlyRespmod: true });

  test('is about responses without a body', () => {
    expect(rules.byHead('RESPMOD', [request(), response()], 'null-body')).toBe('url-only');
    expect(rules.byHead('RESPMOD', [request(), response()], 'res-body')).toBeUndefined();
    expect(rules.byHead('REQMOD', [request()], 'null-body')).toBeUndefined();
  });

  test('waits for no body', () => {
    expect(rules.needsBody).toBe(false);
  });
});

describe('a file type', () => {
  const png = Buffer.from('89504e470d0a1a0a0000000d4948445200000001000000010806000000', 'hex');
  const mp4 = Buffer.from('0000001c66747970697336d0000002006973666d69736f3261766331', 'hex');

  test('is told by the first bytes', async () => {
    const rules = rulesOf({ fileTypes: ['PDF', 'video/*', 'image/png'] });
    expect(rules.needsBody).toBe(true);
    expect(await rules.byBody(Buffer.from('%PDF-1.7\n'))).toBe('file-type');
    expect(await rules.byBody(png)).toBe('file-type');
    expect(await rules.byBody(Buffer.from('GIF89a'))).toBeUndefined();
    expect(await rules.byBody(mp4)).toBe('file-type');
  });

  test.each([
    ['text', Buffer.from('hello, world')],
    ['nothing', Buffer.alloc(0)],
    ['a type that is cut off', Buffer.from('%PD')],
    ['a type that begins late', Buffer.concat([Buffer.alloc(FILE_TYPE_BYTES), Buffer.from('%PDF-1.7\n')])],
  ])('is not found in %s', async (_name, bytes) => {
    expect(await rulesOf({ fileTypes: ['pdf'] }).byBody(bytes)).toBeUndefined();
  });

  test('is not found in bytes that no parser can follow', async () => {
    const rules = rulesOf({ fileTypes: ['zip', 'image/*'] });
    for (const start of ['504b0304', '49492a00', '89504e470d0a1a0a', '1f8b08', '494433']) {
      const bytes = Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(200, 0xff)]);
      await expect(rules.byBody(bytes)).resolves.toSatisfy((rule) => rule === undefined || rule === 'file-type');
    }
  });

  test('says nothing about a head', () => {
    const rules = rulesOf({ fileTypes: ['pdf'] });
    expect(rules.byHead('REQMOD', [request('Content-Type: application/pdf')], 'req-body')).toBeUndefined();
  });
});
