/** syslog's numbers, as stunnel prints them in `LOG5`. */
export type StunnelLevel = 0 | 3 | 4 | 5 | 6 | 7;

export interface StunnelLine {
  readonly level: StunnelLevel;
  readonly text: string;
}

export function line(level: StunnelLevel, text: string): StunnelLine {
  return { level, text };
}

/** What is wrong with a line that stands beside it: the name of its option need not be said again. */
export function besideLine(text: string, written: string): string {
  const name = written
    .slice(0, written.indexOf('=') + 1)
    .replace(/\s*=$/, '')
    .trimStart();
  const isNamed = name !== '' && text.toLowerCase().startsWith(`${name.toLowerCase()}: `);
  return isNamed ? text.slice(name.length + 2) : text;
}

/** How much went to the side that speaks TLS, and to the one in clear. */
export function byteCounts(toTls: number, toSocket: number): string {
  return `${toTls} byte(s) sent to TLS, ${toSocket} byte(s) sent to socket`;
}

/** What clients sent and got, and, as `backend`, that it is the backends who speak TLS. */
interface CountedBytes {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly side?: 'backend' | undefined;
}

/** The same of what was counted from the clients' side. */
export function countsOf({ bytesIn, bytesOut, side }: CountedBytes): string {
  return side === 'backend' ? byteCounts(bytesIn, bytesOut) : byteCounts(bytesOut, bytesIn);
}
