import type { NativeComments } from './native.ts';

/** An option or a section that somebody switched off, as opposed to something said to a reader. */
const SWITCHED_OFF = /^(?:[\w.]+\s*=|\[.*\]$)/;

/**
 * The comments of a stunnel.conf, for its conversion: those above a section header or in the section go to the service,
 * others to the head. Where sections and services do not match one to one, as with `include`, all go to the head.
 */
export function collectComments(text: string, serviceCount: number): NativeComments {
  const groups: string[][] = [[]];
  let pending: string[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const trimmed = line.trim();
    if (/^[#;]/.test(trimmed)) {
      pending.push(trimmed.replace(/^[#;]+\s?/, ''));
      continue;
    }
    const startsSection = /^\[.*\]$/.test(trimmed);
    if (startsSection) groups.push(pending);
    else groups.at(-1)?.push(...pending);
    pending = [];
  }
  groups.at(-1)?.push(...pending);
  const [head = [], ...services] = groups.map((lines) => lines.filter(isSaid));
  return services.length === serviceCount
    ? { head: head.join('\n'), services: services.map((lines) => lines.join('\n')) }
    : { head: [...head, ...services.flat()].join('\n'), services: [] };
}

function isSaid(comment: string): boolean {
  return /[\p{L}\p{N}]/u.test(comment) && !SWITCHED_OFF.test(comment);
}
