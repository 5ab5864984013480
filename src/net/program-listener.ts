import type { ProgramAddress } from '../config/config.ts';
import type { Listener, ListenerOwner } from './listener.ts';
import { type Program, startProgram } from './program.ts';

export interface ProgramListenerOptions extends ListenerOwner {
  readonly address: ProgramAddress;
  /** How long after its end it is started again; undefined: it is not. Asked at each end. */
  readonly restartMs: () => number | undefined;
  /** Told before its connection comes. */
  readonly onStart: (program: Program) => void;
}

/**
 * A program that is a client of its own: its standard input and output come as a connection. It is started by `wake`, and
 * again when it has ended where that is wanted. Disposing ends starting it, nothing else.
 */
export class ProgramListener implements Listener<ProgramAddress> {
  readonly address: ProgramAddress;
  readonly #options: ProgramListenerOptions;
  #owner: ListenerOwner;
  #isRunning = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProgramListenerOptions) {
    this.address = options.address;
    this.#options = options;
    this.#owner = options;
  }

  /** Starts the program unless it is running. */
  wake(): void {
    if (this.#isRunning || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#isRunning = true;
    this.#start().catch((error: Error) => {
      this.#owner.onError(error);
      this.#ended();
    });
  }

  async #start(): Promise<void> {
    const launch = { facts: {}, awake: Promise.resolve() };
    const isWanted = (): boolean => !this.#isClosed;
    const program = await startProgram(this.address, launch, { onread: undefined, isWanted });
    if (program === undefined) return;
    const { socket } = program;
    const isOver = { program: false, connection: false };
    const finish = (): void => {
      if (isOver.program && isOver.connection) this.#ended();
    };
    program.whenEnded(() => {
      isOver.program = true;
      finish();
    });
    socket.once('close', () => {
      isOver.connection = true;
      finish();
    });
    socket.pause();
    this.#options.onStart(program);
    this.#owner.onConnection(socket);
  }

  handOver(owner: ListenerOwner): void {
    this.#owner = owner;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #ended(): void {
    this.#isRunning = false;
    const restartMs = this.#options.restartMs();
    if (restartMs !== undefined && !this.#isClosed) this.#timer = setTimeout(() => this.wake(), restartMs);
  }
}
