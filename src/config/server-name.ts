import { type Kind, text } from './kind.ts';

/** A name that clients call a server by, or the end of such names behind an asterisk. */
export const SERVER_NAME: Kind<string> = text({
  type: 'name',
  expected: 'the name of a server, such as dlp.example.com, or its end behind an asterisk, such as "*.example.com"',
  pattern: /^(?:\*?[\w.-]{1,253}|\*)$/,
});

/** Whether every name that fits `pattern` fits `wider` as well. */
export function coversPattern(wider: string, pattern: string): boolean {
  const [wide, narrow] = [wider.toLowerCase(), pattern.toLowerCase()];
  return wide.startsWith('*') ? narrow.replace(/^\*/, '').endsWith(wide.slice(1)) : wide === narrow;
}
