import { show } from '../config/show.ts';

const LONGEST_BYTES = 256;
const LF = 0x0a;
const ICAP = 'ICAP/';

/** What a server says before anything else, and who says so: the protocol's own words in its first line. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^SSH-/, 'that is an SSH server'],
  [/^(?:HTTP\/|<(?:!DOCTYPE )?html)/i, 'that is an HTTP server, or one that wants TLS'],
  [/^220[ -].*SMTP/i, 'that is a mail server (SMTP)'],
  [/^220[ -]/, 'that is a mail or FTP server'],
  [/^(?:\* OK|\+OK)/, 'that is a mailbox server (IMAP or POP3)'],
  [/^RTSP\//, 'that is an RTSP server'],
];

/** What came in place of ICAP. */
export interface ForeignAnswer {
  /** What the server does, for a sentence that begins with its address; on one line. */
  readonly said: string;
  /** Who answers so, and what to do, where nothing has come in ICAP yet. */
  readonly advice: string;
}

/** The beginning of what a server says on a connection, for those who took it for an ICAP server. */
export class FirstLine {
  #bytes: Buffer = Buffer.alloc(0);

  /** Keeps what belongs to the first line, and no more than 256 bytes. */
  push(bytes: Buffer): void {
    if (this.isComplete) return;
    this.#bytes = Buffer.concat([this.#bytes, bytes.subarray(0, LONGEST_BYTES - this.#bytes.length)]);
  }

  /** Nothing that comes will change what `foreign` says. */
  get isComplete(): boolean {
    return this.#bytes.length === LONGEST_BYTES || this.#bytes.includes(LF) || this.#isTls;
  }

  /** Undefined while it may be ICAP. */
  get foreign(): ForeignAnswer | undefined {
    if (this.#isTls) return { said: 'answers in TLS', advice: 'try icaps:// in place of icap://' };
    const [line = ''] = this.#bytes.toString('latin1').split('\n');
    const text = line.trimEnd();
    // The first bytes of ICAP, or what may become them.
    if (ICAP.startsWith(text.slice(0, ICAP.length).toUpperCase())) return undefined;
    const kind = KINDS.find(([pattern]) => pattern.test(text))?.[1] ?? 'that is another protocol';
    return { said: `says ${show(text)}`, advice: `${kind}; ICAP is usually on port 1344, with TLS on 11344` };
  }

  /** A record of it, such as the alert that answers a request in clear: type 20 to 24, major version 3. */
  get #isTls(): boolean {
    const [type = 0, major] = this.#bytes;
    return type >= 20 && type <= 24 && major === 3;
  }
}
