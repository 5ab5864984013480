const SCHEME_AND_AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;
const FILE_NAME = /;[ \t]*filename\*?[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/gi;

/** The path of an HTTP request target, without the query; undefined for targets that have none, such as `*`. */
export function pathOf(target: string): string | undefined {
  const [path = ''] = target.replace(SCHEME_AND_AUTHORITY, '').split(/[?#]/, 1);
  return path.startsWith('/') ? path : undefined;
}

/** Every file name in a Content-Disposition value; clients differ in which of several they take. */
export function offeredNames(disposition: string): readonly string[] {
  return [...disposition.matchAll(FILE_NAME)].map(([, quoted, bare = '']) => quoted ?? bare.trim());
}

/** What follows the last dot of the last part of a path; undefined without a dot. */
export function extensionOf(path: string): string | undefined {
  const name = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  const dot = name.lastIndexOf('.');
  return dot === -1 || dot === name.length - 1 ? undefined : name.slice(dot + 1);
}
