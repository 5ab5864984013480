import { describe, expect, test } from 'vitest';
import type { RawDocument, RawResult } from '../../src/config/raw.ts';
import type { StunnelHost } from '../../src/stunnel/host.ts';
import { MAX_TEXT_BYTES, type StunnelSources } from '../../src/stunnel/include.ts';
import { MAX_LINE_BYTES } from '../../src/stunnel/line-reader.ts';
import { looksLikeStunnel, readStunnel } from '../../src/stunnel/reader.ts';

const SECTION = '[svc]\naccept = 11344\nconnect = 1344\ncert = c.pem\n';

/** A folder tree held in memory: folders are the parts before the last slash. */
function memory(files: Readonly<Record<string, string>>): StunnelSources {
  return {
    readDirectory(path) {
      const folder = path.replace(/\/?$/, '/');
      const names = Object.keys(files).filter((file) => file.slice(0, file.lastIndexOf('/') + 1) === folder);
      if (names.length === 0) throw new Error('no such folder');
      return names.map((file) => file.slice(folder.length));
    },
    readFile(path) {
      const text = files[path];
      if (text === undefined) throw new Error('permission denied');
      return text;
    },
  };
}

function read(text: string, files: Readonly<Record<string, string>> = {}): RawResult {
  return readStunnel(text, 'stunnel.conf', memory(files));
}

function documentOf(result: RawResult): RawDocument {
  if (result.document === undefined) throw new Error(`no document: ${JSON.stringify(result.problems)}`);
  return result.document;
}

function firstService(result: RawResult): Record<string, unknown> {
  const { services } = documentOf(result).value as { services: Record<string, unknown>[] };
  return services[0] ?? {};
}

describe('lines', () => {
  test('blanks, carriage returns, comments and a byte order mark are not part of anything', () => {
    const text = `\uFEFF; comment\r\n  # comment\r\n\r\n \t[my service]\r\n ACCEPT=11344 \r\nconnect\t=\t1344\r\ncert = a=b.pem`;
    const service = firstService(read(text));
    expect(service).toMatchObject({ name: 'my service', listen: ['0.0.0.0:11344'], tls: { cert: 'a=b.pem' } });
  });

  test('a byte order mark counts only at the start of a file', () => {
    expect(read(`${SECTION}\uFEFFclient = no\n`).problems).toMatchObject([{ severity: 'error', line: 5 }]);
  });

  test('a line of the greatest length is read, a longer one is an error', () => {
    const path = (bytes: number) => `key = ${'k'.repeat(bytes - 'key = '.length)}`;
    expect(read(`${SECTION}${path(MAX_LINE_BYTES)}\n`).problems).toEqual([]);
    expect(read(`${SECTION}${path(MAX_LINE_BYTES + 1)}\n`).problems).toMatchObject([
      { line: 5, code: 'ICAPGW_CONFIG_SYNTAX' },
    ]);
  });

  test('length is counted in bytes, not in characters', () => {
    const path = 'é'.repeat(MAX_LINE_BYTES / 2);
    expect(read(`${SECTION}key = ${path}\n`).problems).toMatchObject([{ line: 5, code: 'ICAPGW_CONFIG_SYNTAX' }]);
  });

  test('a secret in a malformed line is not repeated', () => {
    const { problems } = read(`${SECTION}PSKsecrets hunter2\nprotocolPassword = hunter2\nPSKidentity = hunter2\n`);
    expect(problems).toHaveLength(3);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });
});

describe('limits', () => {
  test('a configuration of the greatest size is read, a larger one is an error', () => {
    const fill = (bytes: number) => `${SECTION}${'#'.repeat(1000)}\n`.padEnd(bytes, '\n');
    expect(read(fill(MAX_TEXT_BYTES)).problems).toEqual([]);
    const result = read(fill(MAX_TEXT_BYTES + 1));
    expect(result.document).toBeUndefined();
    expect(result.problems).toMatchObject([{ line: 0, code: 'ICAPGW_CONFIG_SYNTAX' }]);
  });

  test('included files count towards the size', () => {
    const half = '\n'.repeat(MAX_TEXT_BYTES / 2);
    const { problems } = read(`${SECTION}include = d\n`, { 'd/a': half, 'd/b': half });
    expect(problems).toMatchObject([{ line: 5, code: 'ICAPGW_CONFIG_SYNTAX' }]);
  });

  test('a folder that includes itself ends in an error', () => {
    const { problems } = read(`${SECTION}include = d\n`, { 'd/a': 'include = d\n' });
    expect(problems).toMatchObject([{ file: 'd/a', line: 1, severity: 'error' }]);
  });

  test('a folder of too many files ends in an error', () => {
    const files = Object.fromEntries(Array.from({ length: 257 }, (_, index) => [`d/${index}`, '']));
    expect(read(`${SECTION}include = d\n`, files).problems).toMatchObject([{ line: 5, severity: 'error' }]);
  });

  test.each([
    ['250 options in a section', `${SECTION}${'client = no\n'.repeat(247)}`, 0],
    ['251 options in a section', `${SECTION}${'client = no\n'.repeat(248)}`, 1],
    ['256 sections', `cert = c.pem\n${'[a]\naccept = 1\nconnect = 1\n'.repeat(256)}`, 0],
    ['257 sections', `cert = c.pem\n${'[a]\naccept = 1\nconnect = 1\n'.repeat(257)}`, 1],
  ])('%s', (_, text, errorCount) => {
    expect(read(text).problems.filter(({ severity }) => severity === 'error')).toHaveLength(errorCount);
  });

  test('errors without end are cut off, and the result stays an error', () => {
    const { problems } = read('nonsense\n'.repeat(100_000));
    expect(problems).toHaveLength(201);
    expect(problems.at(-1)?.message).toContain('more than 200 errors');
  });
});

describe('lines of values', () => {
  const text = `output = x.log\n${SECTION}TIMEOUTidle = 5\nconnect = 1345\nicapgw.limits.queue = 7\n`;
  const document = documentOf(read(text));

  test.each([
    [['log', 'file'], 1],
    [['services', 0], 2],
    [['services', 0, 'listen', 0], 3],
    [['services', 0, 'backends', 0, 'address'], 4],
    [['services', 0, 'backends', 1, 'priority'], 7],
    [['services', 0, 'tls', 'cert'], 5],
    [['services', 0, 'timeouts', 'idle'], 6],
    [['services', 0, 'limits', 'queue'], 8],
    [['services', 0, 'timeouts', 'connect'], 2],
    [['services', 0, 'no', 'such', 'key'], 2],
    [['services', 5], 0],
    [['workers'], 0],
  ])('%j is told at line %i', (path, line) => {
    expect(document.lineOf(path)).toBe(line);
  });

  test('a value of an included file is told at the line of the include, its mistakes at their own', () => {
    const result = read(`${SECTION}include = d\n`, { 'd/a': '\n\nTIMEOUTidle = 5\nTIMEOUTbusy = x\n' });
    expect(documentOf(result).lineOf(['services', 0, 'timeouts', 'idle'])).toBe(5);
    expect(result.problems).toMatchObject([{ file: 'd/a', line: 4 }]);
  });
});

describe('include', () => {
  test('reads the files of a folder by name, wherever the order comes from', () => {
    const files = { 'd/b': 'TIMEOUTidle = 2\n', 'd/a': 'TIMEOUTidle = 1\n', 'd/.c': 'TIMEOUTidle = 0\n' };
    expect(firstService(read(`${SECTION}include = d/\n`, files))).toMatchObject({ timeouts: { idle: '2s' } });
  });

  test('a file that cannot be read is an error at the include', () => {
    const sources: StunnelSources = { ...memory({}), readDirectory: () => ['a'] };
    const { problems } = readStunnel(`${SECTION}include = d\n`, 'stunnel.conf', sources);
    expect(problems).toMatchObject([{ file: 'stunnel.conf', line: 5, code: 'ICAPGW_CONFIG_READ' }]);
  });

  test('a folder must be named', () => {
    expect(read(`${SECTION}INCLUDE =\n`).problems).toMatchObject([{ line: 5, severity: 'error' }]);
  });
});

describe('icapgw. keys', () => {
  const writtenAs = (written: string) => firstService(read(`${SECTION}icapgw.key = ${written}\n`))['key'];

  test.each([
    ['5', 5],
    ['0.5', 0.5],
    ['-1', -1],
    ['true', true],
    ['', null],
    ['5s', '5s'],
    ['50%', '50%'],
    ['10.0.0.5', '10.0.0.5'],
    ['10.0.0.5:1344', '10.0.0.5:1344'],
    ['::1', '::1'],
    ['off', 'off'],
    ['a, b', 'a, b'],
    ['a: b', 'a: b'],
    ['a # b', 'a # b'],
    ['*star', '*star'],
    ['"5"', '5'],
    ["'it''s'", "it's"],
    ['[a, 5, "c"]', ['a', 5, 'c']],
    ['{ a: 1 }', { a: 1 }],
  ])('%j is read as %j', (written, value) => {
    expect(writtenAs(written)).toEqual(value);
  });

  test.each(['[a', '{a: 1', '"a', '[a]]', '[*a]', `${'['.repeat(8000)}`])('%.20s is refused', (written) => {
    expect(read(`${SECTION}icapgw.key = ${written}\n`).problems).toMatchObject([{ severity: 'error', line: 5 }]);
  });

  test('aliases cannot multiply', () => {
    const level = (name: string, of: string) => `&${name} [${Array.from({ length: 9 }, () => of).join(', ')}]`;
    const bomb = `[${level('a', 'x')}, ${level('b', '*a')}, ${level('c', '*b')}, ${level('d', '*c')}, ${level('e', '*d')}]`;
    expect(read(`${SECTION}icapgw.key = ${bomb}\n`).problems).toMatchObject([{ severity: 'error', line: 5 }]);
  });

  test('what is only part of a line has its line too', () => {
    const document = documentOf(read(`\nicapgw.nope.deeper = 1\n${SECTION}`));
    expect(document.lineOf(['nope'])).toBe(2);
    expect(document.lineOf(['services', 0, 'timeouts'])).toBe(3);
    expect(document.lineOf([])).toBe(0);
  });

  test('__proto__ is not a key, and leaves nothing behind', () => {
    const { document, problems } = read(`icapgw.nope.__proto__.x = 1\n${SECTION}`);
    expect(problems).toMatchObject([{ severity: 'error', line: 1 }]);
    expect(Object.keys(document?.value as object).toSorted()).toEqual(['log', 'services']);
  });

  test('inherited properties are not keys', () => {
    const result = read(`${SECTION}icapgw.constructor.name = x\nicapgw.toString = y\n`);
    expect(firstService(result)['constructor']).toEqual({ name: 'x' });
    expect(Object.prototype.toString.call({})).toBe('[object Object]');
  });
});

test('redirect to port 0 leads nowhere, and a warning says so', () => {
  const verified = `${SECTION}CAfile = ca.pem\nverifyChain = yes\nredirect = 127.0.0.1:0\n`;
  const result = read(verified);
  expect(result.problems).toMatchObject([{ line: 7, severity: 'warning', message: expect.stringContaining('port 0') }]);
  expect(firstService(result)).toMatchObject({ tls: { 'client-auth': { mode: 'require' } } });
  expect(firstService(result)).not.toHaveProperty('tls.client-auth.redirect');
});

test('redirect to port 0 lets nobody in who would have been sent there, also where no certificate is required', () => {
  const lenient = `${SECTION}CAfile = ca.pem\nverify = 1\nredirect = 127.0.0.1:0\n`;
  expect(firstService(read(lenient))).toMatchObject({ tls: { 'client-auth': { mode: 'require' } } });
});

describe('several accept lines', () => {
  test('of one address are one listener, except for port 0', () => {
    const result = read(`${SECTION}accept = 11344\naccept = 127.0.0.1:0\naccept = 127.0.0.1:0\n`);
    expect(firstService(result)['listen']).toEqual(['0.0.0.0:11344', '127.0.0.1:0', '127.0.0.1:0']);
    expect(result.problems).toMatchObject([{ line: 5, severity: 'warning' }]);
  });

  test('need not all be had in the place of stunnel', () => {
    const text = `${SECTION}accept = 127.0.0.1:11344\n`;
    const requirement = (host: StunnelHost): unknown =>
      firstService(readStunnel(text, 'stunnel.conf', memory({}), host))['listen-require'];
    expect(requirement('run')).toBeUndefined();
    expect(requirement('stunnel')).toBe('any');
  });
});

describe('backends are asked how they are', () => {
  const healthOf = (text: string, host?: StunnelHost): unknown =>
    firstService(readStunnel(text, 'stunnel.conf', memory({}), host))['health'];

  test('by a connection each few seconds', () => {
    expect(healthOf(SECTION)).toEqual({ type: 'tcp' });
  });

  test('not in the place of stunnel, where they never met a connection that no client caused', () => {
    expect(healthOf(SECTION, 'stunnel')).toEqual({ type: 'none' });
    expect(healthOf(`${SECTION}connect = 1345\n`, 'stunnel')).toEqual({ type: 'none' });
  });

  test('there too, where the file says so', () => {
    expect(healthOf(`${SECTION}icapgw.health.type = tcp\n`, 'stunnel')).toEqual({ type: 'tcp' });
  });
});

describe('telling the formats apart', () => {
  test.each([
    SECTION,
    '; comment\n',
    '\uFEFF# comment\r\n[svc]\r\n',
    'cert=a: b\n',
    '  [svc]  \n',
    'icapgw.admin.listen = off\n',
    'services = 5\n',
  ])('%j is a stunnel.conf', (text) => {
    expect(looksLikeStunnel(text)).toBe(true);
  });

  test.each([
    '',
    '\n# comment\n',
    'services:\n  - name: a = b\n',
    '---\nservices: []\n',
    'log: { level: info }\n[svc]\n',
    '"services":\n',
    '{ services: [] }\n',
    '\uFEFFservices:\r\n',
  ])('%j is not', (text) => {
    expect(looksLikeStunnel(text)).toBe(false);
  });
});
