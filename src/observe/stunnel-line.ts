/** syslog's numbers, as stunnel prints them in `LOG5`. */
export type StunnelLevel = 0 | 3 | 4 | 5 | 6 | 7;

export interface StunnelLine {
  readonly level: StunnelLevel;
  readonly text: string;
}

export function line(level: StunnelLevel, text: string): StunnelLine {
  return { level, text };
}

/** How much went to the side that speaks TLS, and to the one in clear. */
export function byteCounts(toTls: number, toSocket: number): string {
  return `${toTls} byte(s) sent to TLS, ${toSocket} byte(s) sent to socket`;
}
