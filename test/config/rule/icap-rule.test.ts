import { describe, expect, test } from 'vitest';
import { problemsOf, serviceOf } from '../../_util/config-text.ts';

const icap = (extra: string): readonly string[] => problemsOf({ protocol: 'icap', extra });

describe('policies', () => {
  test('a block page needs somebody to block', () => {
    expect(icap('block-page: page.html')).toEqual([
      '8 warning: services[0].block-page: has no effect: none of when-down, on-timeout and on-oversize is block',
    ]);
    expect(icap('block-page: page.html\nwhen-down: block')).toEqual([]);
    expect(icap('block-page: page.html\nlimits: { body: 1MiB }\non-oversize: block')).toEqual([]);
  });

  test('a block page is a file beside the configuration', () => {
    const { icap: config } = serviceOf({ protocol: 'icap', extra: 'block-page: page.html\nwhen-down: block' });
    expect(config.blockPage).toBe('/etc/icapgw/page.html');
  });

  test('on-oversize needs a size', () => {
    expect(icap('on-oversize: bypass')).toEqual([
      '8 warning: services[0].on-oversize: has no effect without limits.body',
    ]);
    expect(icap('limits: { body: 1MiB }\non-oversize: bypass')).toEqual([]);
  });

  test.each(['when-down: bypass', 'on-timeout: bypass'])('%s with nothing retained promises too much', (policy) => {
    expect(icap(`${policy}\nretain: 4095`)).toEqual([
      expect.stringContaining(
        '9 warning: services[0].retain: a backend that fails in a body above 4095B leaves nothing',
      ),
    ]);
    expect(icap(`${policy}\nretain: 4KiB`)).toEqual([]);
  });

  test('nothing needs to be retained for an error', () => {
    expect(icap('when-down: error\nretain: 0')).toEqual([]);
  });
});

describe('headers', () => {
  test.each([
    ['set: { Host: a }', 'set.Host', 'Host'],
    ['strip: [encapsulated]', 'strip', 'encapsulated'],
    ['map: { Preview: X-Preview }', 'map.Preview', 'Preview'],
    ['map: { X-Allow: Allow }', 'map.X-Allow', 'Allow'],
  ])('that frame a message are not for an administrator: %s', (headers, key, name) => {
    expect(icap(`headers: { ${headers} }`)).toEqual([
      `8 error: services[0].headers.${key}: ${name} is written by the gateway itself; remove it here`,
    ]);
  });

  test('others are', () => {
    expect(
      icap(
        'headers: { set: { X-A: b }, strip: Proxy-Authorization, map: { X-Client-Username: X-Authenticated-User } }',
      ),
    ).toEqual([]);
  });
});

describe('timeouts', () => {
  test('waiting for an answer longer than a transaction may take is in vain', () => {
    expect(icap('timeouts: { response: 2h }')).toEqual([
      '8 warning: services[0].timeouts.response: is longer than timeouts.total, which ends every transaction after 1h',
    ]);
    expect(icap('timeouts: { response: 2h, total: never }')).toEqual([]);
    expect(icap('timeouts: { total: 1m }')).toEqual([]);
  });
});

describe('what is bypassed', () => {
  test('is named by MIME type, by extension and by content', () => {
    const extra =
      'bypass: { content-types: [video/mp4, "image/*"], extensions: [mp4, 7z], file-types: [pdf, "audio/*", image/png] }';
    expect(serviceOf({ protocol: 'icap', extra }).icap.bypass).toEqual({
      contentTypes: ['video/mp4', 'image/*'],
      extensions: ['mp4', '7z'],
      fileTypes: ['pdf', 'audio/*', 'image/png'],
      urlOnlyRespmod: false,
    });
  });

  test.each([
    ['content-types: [video]', 'must be a MIME type without parameters, such as video/mp4 or image/*, not "video"'],
    ['content-types: ["*/*"]', 'not "*/*"'],
    ['content-types: ["text/html; charset=utf-8"]', 'without parameters'],
    ['extensions: [.mp4]', 'must be a file name extension without its dot, such as mp4, not ".mp4"; write mp4'],
    ['extensions: [tar.gz]', 'not "tar.gz"; write gz'],
    ['extensions: ["*"]', 'not "*"'],
    ['extensions: [123]', 'not 123; put it in quotes: "123"'],
    [
      'file-types: [jpeg]',
      'must be a type that shows in the first bytes of a file, such as pdf, application/pdf or video/*, not "jpeg"; did you mean jpg?',
    ],
    ['file-types: [html]', 'not "html"'],
    ['file-types: ["*/*"]', 'not "*/*"'],
    ['file-types: [5]', 'not 5'],
  ])('has to be possible: %s', (bypass, problem) => {
    expect(icap(`bypass: { ${bypass} }`)).toEqual([expect.stringContaining(problem)]);
  });
});
