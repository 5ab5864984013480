import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { MAX_CONFIG_BYTES } from '../../src/config/yaml.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { serviceText } from '../_util/config-text.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const STUNNEL = '[dlp]\naccept = 127.0.0.1:11344\nconnect = 127.0.0.1:1344\ncert = dlp.pem\n';

describe('a file that is a configuration', () => {
  test('may be YAML, with files beside it', () => {
    using folder = createConfigFolder({ 'a.yaml': `${serviceText()}pid-file: a.pid\n` });
    const { config, problems } = loadConfig('a.yaml', folder.path);
    expect(problems).toEqual([]);
    expect(config).toMatchObject({
      file: join(folder.path, 'a.yaml'),
      format: 'yaml',
      pidFile: join(folder.path, 'a.pid'),
    });
    expect(config?.workers).toBeGreaterThanOrEqual(1);
    expect(loadConfig('a.yaml', folder.path).lineOf(['services', 0, 'backends', 0, 'address'])).toBe(7);
  });

  test('may be a stunnel.conf, whatever its name, with files in the working directory', () => {
    using folder = createConfigFolder({ 'a.yaml': `\uFEFF${STUNNEL.replaceAll('\n', '\r\n')}` });
    const { config } = loadConfig(join(folder.path, 'a.yaml'), '/work');
    expect(config).toMatchObject({ format: 'stunnel', services: [{ name: 'dlp', tls: { cert: '/work/dlp.pem' } }] });
  });

  test('may be a stunnel.conf that asks for ICAP mode, with any of its keys', () => {
    using folder = createConfigFolder({
      'a.conf': `${STUNNEL}protocol = icap\nicapgw.when-down = block\nicapgw.block-page = page.html\nicapgw.timeouts.total = 10m\n`,
    });
    const { config, problems } = loadConfig('a.conf', folder.path);
    expect(problems).toEqual([]);
    expect(config?.services[0]).toMatchObject({
      protocol: 'icap',
      health: { type: 'icap' },
      timeouts: { totalMs: 600_000 },
      icap: { whenDown: 'block', blockPage: join(folder.path, 'page.html') },
    });
  });

  test('may include folders where stunnel would find them', () => {
    using folder = createConfigFolder({ 'a.conf': 'include = conf.d\n' });
    mkdirSync(join(folder.path, 'conf.d'));
    mkdirSync(join(folder.path, 'conf.d', 'not-a-file'));
    writeFileSync(join(folder.path, 'conf.d', 'dlp.conf'), STUNNEL);
    expect(loadConfig('a.conf', folder.path).config?.services[0]?.name).toBe('dlp');
  });

  test('may include folders with links that lead nowhere and pipes in them, which stunnel passes over', () => {
    using folder = createConfigFolder({ 'a.conf': 'include = conf.d\n' });
    mkdirSync(join(folder.path, 'conf.d'));
    symlinkSync('nowhere', join(folder.path, 'conf.d', 'a.conf'));
    execFileSync('mkfifo', [join(folder.path, 'conf.d', 'b.conf')]);
    writeFileSync(join(folder.path, 'dlp.conf'), STUNNEL);
    symlinkSync('../dlp.conf', join(folder.path, 'conf.d', 'c.conf'));
    expect(loadConfig('a.conf', folder.path).config?.services[0]?.name).toBe('dlp');
  });

  // A child of Node.js has a socket for its standard input, which cannot be opened by its name; behind cat it is a pipe.
  test.each([
    ['exec', '/dev/stdin'],
    ['cat |', '/dev/stdin'],
    ['cat |', '/dev/fd/0'],
    ['cat |', '/proc/self/fd/0'],
  ])('may come over standard input: %s icapgw check %s', (before, file) => {
    const { stdout } = spawnSync('sh', ['-c', `${before} "$0" "$1" check --json "$2"`, process.execPath, MAIN, file], {
      input: '\n\nnonsense: 1\n',
      encoding: 'utf8',
    });
    expect(JSON.parse(stdout)).toMatchObject({
      file,
      problems: [{ line: 3, message: 'nonsense: is not a known key' }, { line: 3 }],
    });
  });

  test('is told what its reader and what the validator has to say, by line', () => {
    using folder = createConfigFolder({
      'a.conf': `${STUNNEL}icapgw.balance = leastconn\nbogus = 1\nicapgw.nope = 1\n`,
    });
    const { config, problems } = loadConfig('a.conf', folder.path);
    expect(config).toBeUndefined();
    expect(problems.filter(({ severity }) => severity === 'error').map(({ line, file }) => `${file}:${line}`)).toEqual([
      'a.conf:5',
      'a.conf:6',
      'a.conf:7',
    ]);
  });
});

describe('a configuration that was made to do harm', () => {
  const firstError = (cwd: string) =>
    loadConfig('a.conf', cwd).problems.find(({ severity }) => severity === 'error') ?? { message: 'no error' };

  test.each([
    ['a folder of thousands of files', { text: '; a\n', count: 5000 }, 'include: more than 256 files'],
    [
      'a folder with a file that is too large',
      { text: '#'.repeat(MAX_CONFIG_BYTES + 1), count: 1 },
      '"conf.d/0" is larger than',
    ],
    [
      'a folder with files that are too large together',
      { text: '#\n'.repeat(200_000), count: 5 },
      'the configuration is larger than',
    ],
    ['a folder with a file that is not text', { text: 'a\0', count: 1 }, '"conf.d/0" is not text'],
  ])('%s is an error at its include', (_, { text, count }, message) => {
    using folder = createConfigFolder({ 'a.conf': `${STUNNEL}include = conf.d\n` });
    mkdirSync(join(folder.path, 'conf.d'));
    for (let i = 0; i < count; i += 1) writeFileSync(join(folder.path, 'conf.d', String(i)), text);
    expect(firstError(folder.path)).toMatchObject({ line: 5, message: expect.stringContaining(message) });
  });

  test('a folder that is a device is an error at its include', () => {
    using folder = createConfigFolder({ 'a.conf': `${STUNNEL}include = /dev/zero\n` });
    expect(firstError(folder.path)).toMatchObject({ line: 5, message: expect.stringContaining('cannot be read') });
  });

  test('a hundred thousand sections are an error at the first too many', () => {
    using folder = createConfigFolder({ 'a.conf': '[a]\n'.repeat(100_000) });
    const { problems } = loadConfig('a.conf', folder.path);
    expect(problems).toContainEqual(
      expect.objectContaining({ line: 257, message: expect.stringContaining('more than 256 sections') }),
    );
    expect(problems.length).toBeLessThan(1000);
  });
});

describe('a file that is none', () => {
  const problemOf = (file: string, cwd: string) => {
    const { config, problems, lineOf } = loadConfig(file, cwd);
    expect(config).toBeUndefined();
    expect(lineOf(['services'])).toBe(0);
    expect(problems).toHaveLength(1);
    return problems[0];
  };

  test.each([
    ['is missing', 'nowhere.yaml', 'does not exist'],
    ['is below a file', 'text/nowhere.yaml', 'a part of its path is not a folder'],
    ['is a folder', '.', 'is a folder; name the configuration file in it'],
    ['is binary', 'binary', 'is not text'],
    ['is UTF-16', 'utf16', 'is UTF-16; save it as UTF-8'],
    ['is too large', 'large', 'is larger than 1048576 bytes'],
    ['is of a size that would not fit into memory', 'huge', 'is larger than 1048576 bytes'],
    ['is a device', '/dev/zero', 'is a device, not a file; to pass a configuration through a pipe, name /dev/stdin'],
    ['is a pipe', 'pipe', 'is a pipe, not a file'],
    ['is a link to a pipe', 'link', 'is a pipe, not a file'],
  ])('because it %s', (_name, file, message) => {
    using folder = createConfigFolder({
      text: '',
      binary: Uint8Array.of(0x30, 0x82, 0x00, 0x01),
      utf16: Buffer.from('\uFEFFservices:', 'utf16le'),
      large: Buffer.alloc(MAX_CONFIG_BYTES + 1, '#'),
      huge: '',
    });
    truncateSync(join(folder.path, 'huge'), 1024 ** 3);
    execFileSync('mkfifo', [join(folder.path, 'pipe')]);
    symlinkSync('pipe', join(folder.path, 'link'));
    expect(problemOf(file, folder.path)).toEqual({
      severity: 'error',
      file,
      line: 0,
      message: expect.stringContaining(message),
      code: 'ICAPGW_CONFIG_READ',
    });
  });

  test('because it is a socket', async () => {
    using folder = createConfigFolder({});
    const server = createServer().listen(join(folder.path, 'socket'));
    await once(server, 'listening');
    expect(problemOf('socket', folder.path)?.message).toContain('is a socket, not a file');
    server.close();
  });

  test('because it is a stream, which only the start reads', () => {
    using folder = createConfigFolder({});
    const pipe = join(folder.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    // For reading and writing: opening it waits for nobody, and reading it would, for ever.
    const descriptor = openSync(pipe, 'r+');
    expect(problemOf(`/proc/self/fd/${descriptor}`, '/')?.message).toContain('is a stream that was read at the start');
    closeSync(descriptor);
  });

  test('because it is empty', () => {
    using folder = createConfigFolder({ 'a.yaml': '' });
    expect(problemOf('a.yaml', folder.path)?.code).toBe('ICAPGW_CONFIG_SYNTAX');
  });

  test('but not because a comment in it is in an old encoding', () => {
    using folder = createConfigFolder({ 'a.yaml': Buffer.from(`# Gr\xfc\xdfe\n${serviceText()}`, 'latin1') });
    expect(loadConfig('a.yaml', folder.path).problems).toEqual([]);
  });
});
