import { IcapProtocolError } from '../errors.ts';
import { GatherBuffer } from './gather-buffer.ts';

/** What a load balancer that checks an ICAP port over HTTP asked. */
export interface MonitorRequest {
  readonly method: 'GET' | 'HEAD';
}

const METHODS: readonly MonitorRequest['method'][] = ['GET', 'HEAD'];
const MAX_BYTES = 8 * 1024;
const CAPITAL_H = 0x48;
const VERSION = / HTTP\/1\.\d\r?$/;
const BLANK_LINE = /\n\r?\n/;
const LINE_END_BYTES = 2;
const PAGE = 'icapgw: ok\n';

/**
 * Whether bytes at the start of a connection are a monitor's: `undefined` while there are too few of them to tell. No
 * ICAP method begins like the two of HTTP that monitors use.
 */
export function isMonitor(bytes: Buffer): boolean | undefined {
  const text = bytes.toString('latin1', 0, 5);
  if (METHODS.some((method) => text.startsWith(`${method} `))) return true;
  return METHODS.some((method) => `${method} `.startsWith(text)) ? undefined : false;
}

/**
 * Reads one request of a monitor, whose bytes may be cut anywhere. `GET /` without a version is whole at its line end
 * (BIG-IP's built-in check sends no more), any other after its blank line. Line feeds alone will do.
 */
export class MonitorReader {
  readonly #gathered: GatherBuffer = new GatherBuffer();
  #hasVersion = false;

  /** The request once it is whole. Throws an `IcapProtocolError` for one that is too large. */
  push(bytes: Buffer): MonitorRequest | undefined {
    const gathered = this.#gathered;
    const room = MAX_BYTES - gathered.length;
    // A line end may have been cut, so the last bytes are looked at again.
    const from = Math.max(0, gathered.length - LINE_END_BYTES);
    gathered.append(bytes, 0, Math.min(bytes.length, room));
    if (this.#isWhole(gathered.view(), from)) return { method: gathered.at(0) === CAPITAL_H ? 'HEAD' : 'GET' };
    if (bytes.length >= room) throw new IcapProtocolError('ICAPGW_ICAP_HEAD_TOO_LARGE', { offset: MAX_BYTES });
    return undefined;
  }

  #isWhole(view: Buffer, from: number): boolean {
    if (!this.#hasVersion) {
      const lf = view.indexOf('\n', from);
      if (lf === -1) return false;
      this.#hasVersion = VERSION.test(view.toString('latin1', 0, lf));
      if (!this.#hasVersion) return true;
    }
    return BLANK_LINE.test(view.toString('latin1', from));
  }
}

/** The answer that every monitor takes for "up". The connection closes after it. */
export function monitorAnswer({ method }: MonitorRequest): Buffer {
  const head = `HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${PAGE.length}\r\nConnection: close\r\n\r\n`;
  return Buffer.from(method === 'HEAD' ? head : head + PAGE, 'latin1');
}
