import type { Socket } from 'node:net';
import type { RejectReason } from '../observe/labels.ts';
import { type NameEntry, NameTable } from '../policy/name-table.ts';
import { SourceList } from '../policy/source-list.ts';
import { type HandshakeProblem, problemOfError } from '../tls/handshake-failure.ts';
import { Admission, admit, admitHolder, takePlace } from './admission.ts';
import { readClientHello } from './client-hello.ts';
import type { ServiceContext } from './context.ts';
import type { Naming } from './naming.ts';
import { type Peer, peerOfEndpoints, peerOfSocket } from './peer.ts';
import { readProxyHeader } from './proxied-client.ts';

/** A connection that may come in. Its socket is paused and has an error listener. */
export interface Arrival {
  readonly socket: Socket;
  readonly peer: Peer;
  readonly admission: Admission;
  /** When its handshake could begin, on the clock of `performance.now()`. */
  readonly startedMs: number;
  /** Undefined where all connections are for one service. */
  readonly naming: Naming | undefined;
  /** What has already gone wrong with its handshake. */
  readonly problem: HandshakeProblem | undefined;
}

export type OnArrival = (arrival: Arrival) => void;

const GONE: HandshakeProblem = {
  reason: 'closed',
  detail: 'the client closed the connection during the handshake',
};

/** Where the connections of one service come in: finds out who each one is, and whether it may. */
export class Entrance {
  readonly #onArrival: OnArrival;
  #context: ServiceContext;
  #sourceList: SourceList;
  /** Who may send PROXY headers. */
  #proxyList: SourceList;
  /** Accepted, and not yet known by their PROXY header, or by the server they ask for; with what gives them up. */
  readonly #anonymous: Map<Socket, () => void> = new Map();
  /** Other services whose clients come in here. */
  #secondaries: NameTable<Entrance> = new NameTable([]);
  #isClosed = false;

  constructor(context: ServiceContext, onArrival: OnArrival) {
    const { allowFrom, denyFrom, proxyProtocol } = context.config;
    this.#context = context;
    this.#onArrival = onArrival;
    this.#sourceList = SourceList.from({ allow: allowFrom, deny: denyFrom });
    this.#proxyList = SourceList.from({ allow: proxyProtocol.from, deny: [] });
  }

  /** Takes another configuration for who comes from here on. */
  update(context: ServiceContext): void {
    const { allowFrom, denyFrom, proxyProtocol } = context.config;
    this.#context = context;
    this.#sourceList = SourceList.from({ allow: allowFrom, deny: denyFrom });
    this.#proxyList = SourceList.from({ allow: proxyProtocol.from, deny: [] });
  }

  /** Replaces the services that clients get to by asking for them by name. */
  setSecondaries(secondaries: readonly NameEntry<Entrance>[]): void {
    this.#secondaries = new NameTable(secondaries);
  }

  /** Lets go of those who have not yet said who they are, and takes nobody over any more. */
  close(): void {
    this.#isClosed = true;
    for (const abandon of [...this.#anonymous.values()]) abandon();
  }

  accept(socket: Socket, isUnix: boolean): void {
    socket.on('error', ignore);
    const { accept, send } = this.#context.config.proxyProtocol;
    // Which service will send them is not known before the client has named it.
    const withEndpoints = send !== 'off' || !this.#secondaries.isEmpty;
    const peer = peerOfSocket(socket, { isUnix, withEndpoints });
    if (peer === undefined) {
      socket.destroy();
      return;
    }
    if (accept === 'off') this.#arrive(socket, peer, admit(this.#context, this.#sourceList, peer.address));
    else this.#identify(socket, peer, accept);
  }

  #identify(socket: Socket, sender: Peer, version: 'v1' | 'v2'): void {
    if (!this.#proxyList.admits(sender.address)) {
      this.#reject(socket, sender, 'proxy-protocol', 'it may not send PROXY headers (proxy-protocol.from)');
      return;
    }
    // Its place is of this configuration, whatever comes before its header does.
    const context = this.#context;
    // Not known by its real address yet, but already a cost.
    if (!takePlace(context)) {
      this.#reject(socket, sender, 'service-limit');
      return;
    }
    const { handshakeMs } = this.#context.config.timeouts;
    const finish = (): void => {
      clearTimeout(deadline);
      this.#anonymous.delete(socket);
      socket.off('close', onClose);
    };
    const abandon = (): void => {
      finish();
      context.pool.releaseConnection(context.worker);
      socket.destroy();
    };
    const fail = (detail: string): void => {
      finish();
      context.pool.releaseConnection(context.worker);
      this.#reject(socket, sender, 'proxy-protocol', detail);
    };
    const onClose = (): void => fail('the connection was closed before its PROXY header came');
    const onLate = (): void => fail(`its PROXY header did not come within ${handshakeMs} ms`);
    const deadline = Number.isFinite(handshakeMs) ? setTimeout(onLate, handshakeMs) : undefined;
    this.#anonymous.set(socket, abandon);
    socket.once('close', onClose);
    readProxyHeader(
      socket,
      { version, peer: sender.text },
      {
        onHeader: ({ endpoints }) => {
          finish();
          const peer = endpoints === undefined ? sender : peerOfEndpoints(endpoints);
          this.#arrive(socket, peer, admitHolder(context, this.#sourceList, peer.address));
        },
        onFail: fail,
      },
    );
  }

  #arrive(socket: Socket, peer: Peer, admission: Admission | RejectReason): void {
    if (typeof admission === 'string') {
      this.#reject(socket, peer, admission);
      return;
    }
    const startedMs = performance.now();
    const arrival: Arrival = { socket, peer, admission, startedMs, naming: undefined, problem: undefined };
    if (this.#secondaries.isEmpty) this.#onArrival(arrival);
    else this.#askName(arrival);
  }

  /** Waits for the name of the server, within the time of the handshake. */
  #askName(arrival: Arrival): void {
    const { socket } = arrival;
    const { handshakeMs } = this.#context.config.timeouts;
    const finish = (): void => {
      clearTimeout(deadline);
      stop();
      this.#anonymous.delete(socket);
      socket.off('error', onError);
      socket.off('close', onGone);
    };
    const abandon = (): void => {
      finish();
      arrival.admission.release();
      socket.destroy();
    };
    const fail = (problem: HandshakeProblem): void => {
      finish();
      this.#onArrival({ ...arrival, problem });
    };
    const onError = (error: Error): void => fail(problemOfError(error));
    const onGone = (): void => fail(GONE);
    const onLate = (): void => fail({ reason: 'timeout', detail: `no hello within ${handshakeMs} ms` });
    const deadline = Number.isFinite(handshakeMs) ? setTimeout(onLate, handshakeMs) : undefined;
    const stop = readClientHello(socket, {
      onHello: (serverName) => {
        finish();
        this.#route(arrival, serverName);
      },
      onEnd: onGone,
    });
    this.#anonymous.set(socket, abandon);
    socket.once('error', onError);
    socket.once('close', onGone);
  }

  #route(arrival: Arrival, serverName: string | undefined): void {
    const secondaries = this.#secondaries;
    const find = (name: string | undefined): Entrance | undefined =>
      name === undefined ? undefined : secondaries.find(name);
    const found = find(serverName);
    const naming: Naming = {
      primary: this.#context.config.name,
      serverName,
      isKnown: found !== undefined,
      fits: (name) => find(name) === found,
    };
    if (found === undefined) this.#onArrival({ ...arrival, naming });
    else found.#take({ ...arrival, naming });
  }

  /** Admits a connection that another service has admitted already; undefined where nobody is admitted any more. */
  admitFrom(earlier: Admission): Admission | RejectReason | undefined {
    return this.#isClosed ? undefined : earlier.transfer(this.#context, this.#sourceList);
  }

  /** Takes a connection over from another entrance: the lists and limits of both services hold for it. */
  #take(arrival: Arrival): void {
    const { socket, peer } = arrival;
    const admission = this.admitFrom(arrival.admission);
    if (admission instanceof Admission) {
      this.#onArrival({ ...arrival, admission });
      return;
    }
    arrival.admission.release();
    if (admission === undefined) socket.destroy();
    else this.#reject(socket, peer, admission);
  }

  #reject(socket: Socket, peer: Peer, reason: RejectReason, detail?: string): void {
    const { counters, index, events, config } = this.#context;
    counters.connectionRejected(index, reason);
    events.log('connection-rejected', { service: config.name, client: peer.text, reason, detail });
    // Leaves nothing behind in the kernel, not even TIME_WAIT.
    if (peer.address === undefined) socket.destroy();
    else socket.resetAndDestroy();
  }
}

/** A socket nobody has taken over yet: that it closes is all there is to know. */
function ignore(): void {}
