import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { messageOf } from '../../src/errors.ts';
import type { Section } from '../../src/icap/encapsulated.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import type { MessageReader } from '../../src/icap/message-reader.ts';
import type { RequestHead } from '../../src/icap/request-head.ts';
import { createRequestReader } from '../../src/icap/request-reader.ts';
import { createDice, type Dice, damaged, marked, markerOf, markersIn } from './icap-fuzz.ts';
import { answer, blocked } from './icap-script-message.ts';

/** Requests that say so are answered with what they bring. */
export const HONEST = 'X-Honest: yes';

const ANSWERS = [
  '02-reqmod-get-resp-200-modified',
  '03-reqmod-post-resp-200-echo',
  '04-respmod-resp-200',
  '05-preview100-b-server',
  '05-preview100-d-server',
  '06-preview204-b-server',
  '10-err-404',
  '10-err-503',
  '11-206-partial',
  '12-200-zero-encaps',
  '13-trailers-resp',
  '14-violations-folded-resp',
];

/**
 * A backend that answers well, badly, early or not at all, each request by the marker in it, and keeps what is wrong with
 * what it is sent: it must be strict ICAP, and bear the markers of one client.
 */
export interface FuzzBackend extends AsyncDisposable {
  readonly port: number;
  readonly problems: readonly string[];
  readonly requestCount: number;
}

export async function startFuzzBackend(seed: number): Promise<FuzzBackend> {
  const open = new Set<Socket>();
  const problems: string[] = [];
  let requestCount = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    const serving = new FuzzConnection(socket, seed, (problem) => problems.push(problem));
    socket.on('data', (bytes: Buffer) => {
      requestCount += serving.receive(bytes);
    });
    socket.on('end', () => socket.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    problems,
    get requestCount() {
      return requestCount;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

class FuzzConnection {
  readonly #socket: Socket;
  readonly #seed: number;
  readonly #onProblem: (problem: string) => void;
  readonly #reader: MessageReader<RequestHead> = createRequestReader(DEFAULT_ICAP_LIMITS);
  #head: RequestHead | undefined;
  #sections: readonly Section[] = [];
  #body: Buffer[] = [];
  #dice: Dice = createDice(0);
  #hasAnswered = false;
  /** It has sent what may mean anything to the other side, a 100 too: what still comes is not judged. */
  #isOver = false;

  constructor(socket: Socket, seed: number, onProblem: (problem: string) => void) {
    this.#socket = socket;
    this.#seed = seed;
    this.#onProblem = onProblem;
  }

  /** How many requests began with these bytes. */
  receive(bytes: Buffer): number {
    let begun = 0;
    if (this.#isOver) return begun;
    try {
      this.#reader.push(Buffer.from(bytes));
      for (let event = this.#reader.read(); event !== undefined; event = this.#reader.read()) {
        if (event.type === 'head') {
          begun += 1;
          this.#head = event.head;
          this.#sections = [];
          this.#body = [];
          this.#hasAnswered = false;
        } else if (event.type === 'sections') {
          this.#sections = event.sections;
          this.#begin();
        } else if (event.type === 'data') {
          this.#body.push(event.data);
        } else if (event.ending === 'preview' && this.#isAsked()) {
          this.#reader.continueBody();
        } else {
          this.#finish();
          this.#reader.next();
        }
      }
    } catch (error) {
      this.#onProblem(`was sent what is not ICAP: ${messageOf(error)}: ${JSON.stringify(bytes.toString('latin1'))}`);
      this.#socket.destroy();
    }
    return begun;
  }

  get #content(): Buffer {
    return Buffer.concat([...this.#sections.map(({ bytes }) => bytes), ...this.#body]);
  }

  get #isHonest(): boolean {
    return this.#content.includes(HONEST);
  }

  #begin(): void {
    const [marker = 0] = markersIn(this.#content);
    this.#dice = createDice(this.#seed ^ Math.imul(marker, 0x9e3779b1));
    if (!this.#isHonest && this.#dice.percent(5)) this.#answer();
  }

  /** Whether the rest of a previewed body was asked for. */
  #isAsked(): boolean {
    if (this.#hasAnswered || this.#dice.percent(50)) return false;
    this.#socket.write('ICAP/1.0 100 Continue\r\n\r\n');
    return true;
  }

  #finish(): void {
    const markers = markersIn(this.#content);
    if (markers.length > 1) this.#onProblem(`one request bears the markers of several clients: ${markers.join(' ')}`);
    if (!this.#hasAnswered) this.#answer();
  }

  #answer(): void {
    this.#hasAnswered = true;
    const dice = this.#dice;
    const kind = this.#isHonest ? 0 : dice.below(100);
    if (this.#head?.method === 'OPTIONS') {
      this.#socket.write(
        answer(200, ['Methods: REQMOD, RESPMOD', 'Preview: 4', 'Allow: 204', 'Encapsulated: null-body=0']),
      );
    } else if (kind < 45) {
      this.#socket.write(this.#echo());
    } else if (kind < 50) {
      // What nobody asked for must reach nobody, least of all who is served next.
      this.#socket.write(Buffer.concat([this.#echo(), this.#echo()]));
    } else if (kind < 70) {
      this.#socket.write(this.#head?.allow204 === true ? answer(204) : this.#echo());
    } else if (kind < 75) {
      this.#socket.write(blocked(this.#content.toString('latin1')));
    } else if (kind < 95) {
      const [marker = 0] = markersIn(this.#content);
      const bytes = marked(dice.oneOf(ANSWERS), markerOf(marker));
      this.#socket.write(dice.percent(50) ? bytes : damaged(bytes, dice));
      // Bytes that announce more than comes would be waited for.
      this.#socket.end();
      this.#isOver = true;
    } else if (kind < 98) {
      this.#socket.end(this.#echo().subarray(0, dice.below(400)));
    } else {
      this.#socket.resetAndDestroy();
    }
  }

  #echo(): Buffer {
    const part = this.#head?.method === 'RESPMOD' ? 'res-hdr' : 'req-hdr';
    const section = this.#sections.find((candidate) => candidate.part === part)?.bytes.toString('latin1');
    const hasBody = this.#head?.encapsulated.body !== 'null-body';
    const header = section === undefined ? {} : { [part]: section };
    return answer(200, [], { ...header, ...(hasBody ? { body: Buffer.concat(this.#body) } : {}) });
  }
}
