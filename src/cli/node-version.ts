/** As package.json has it. */
const LOWEST_MAJOR = 24;

/** Why this program does not run on a version of Node.js; undefined where it does. An older one fails anywhere, any time. */
export function problemOfNode(version: string): string | undefined {
  const major = Number.parseInt(version, 10);
  if (major >= LOWEST_MAJOR) return undefined;
  return `error: icapgw needs Node.js ${LOWEST_MAJOR} or later, and this is ${version}\n`;
}
