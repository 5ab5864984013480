import { describe, expect, test } from 'vitest';
import { extensionOf, offeredNames, pathOf } from '../../src/policy/file-name.ts';

describe('the path of a request target', () => {
  test.each([
    ['/a/b.mp4', '/a/b.mp4'],
    ['/a/b.exe?name=.mp4', '/a/b.exe'],
    ['/a/b.exe#.mp4', '/a/b.exe'],
    ['http://host/a.mp4?x', '/a.mp4'],
    ['HTTP://misc/report.pdf', '/report.pdf'],
    ['http://user@host:8080/a', '/a'],
    ['http://site.mp4', undefined],
    ['http://site.mp4?x=/y', undefined],
    ['host.mp4:443', undefined],
    ['*', undefined],
    ['', undefined],
  ])('%s', (target, path) => {
    expect(pathOf(target)).toBe(path);
  });
});

describe('the extension of a path', () => {
  test.each([
    ['/a/b.mp4', 'mp4'],
    ['/a.b/c.tar.gz', 'gz'],
    ['movie.MP4', 'MP4'],
    ['C:\\a.b\\c', undefined],
    ['/a.b/c', undefined],
    ['/a.', undefined],
    ['/', undefined],
    ['/a.mp4;v=1', 'mp4;v=1'],
    ['/.mp4', 'mp4'],
  ])('%s', (path, extension) => {
    expect(extensionOf(path)).toBe(extension);
  });
});

describe('the names a Content-Disposition offers', () => {
  test.each([
    ['attachment', []],
    ['attachment; filename=a.mp4', ['a.mp4']],
    ['attachment; FileName = "a b.mp4" ; size=5', ['a b.mp4']],
    ['attachment; filename=a.mp4 ; size=5', ['a.mp4']],
    ['attachment; filename="a\\".mp4"', ['a\\".mp4']],
    ["attachment; filename=a.mp4; filename*=UTF-8''a.exe", ['a.mp4', "UTF-8''a.exe"]],
    ['form-data; name="x; filename=a.mp4"; filename=b.exe', ['a.mp4"', 'b.exe']],
    ['attachment; filename="never ends', ['"never ends']],
  ])('%s', (value, names) => {
    expect(offeredNames(value)).toEqual(names);
  });

  test('are found in linear time', () => {
    const value = `attachment${'; filename="\\'.repeat(5_000)}${'; filename'.repeat(5_000)}`;
    expect(offeredNames(value).length).toBeGreaterThan(0);
  });
});
