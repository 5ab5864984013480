import type { Socket } from 'node:net';
import type { RejectReason } from '../observe/labels.ts';
import { SourceList } from '../policy/source-list.ts';
import { type Admission, admit, admitHolder, takePlace } from './admission.ts';
import type { ServiceContext } from './context.ts';
import { type Peer, peerOfEndpoints, peerOfSocket } from './peer.ts';
import { readProxyHeader } from './proxied-client.ts';

/** A connection that may come in. Its socket is paused and has an error listener. */
export interface Arrival {
  readonly socket: Socket;
  readonly peer: Peer;
  readonly admission: Admission;
}

export type OnArrival = (arrival: Arrival) => void;

/** Where the connections of one service come in: finds out who each one is, and whether it may. */
export class Entrance {
  readonly #onArrival: OnArrival;
  #context: ServiceContext;
  #sourceList: SourceList;
  /** Who may send PROXY headers. */
  #proxyList: SourceList;
  /** Accepted, and not yet known by their PROXY header; with what gives them up. */
  readonly #anonymous: Map<Socket, () => void> = new Map();

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

  /** Lets go of those who have not yet said who they are. */
  close(): void {
    for (const abandon of [...this.#anonymous.values()]) abandon();
  }

  accept(socket: Socket, isUnix: boolean): void {
    socket.on('error', ignore);
    const { accept, send } = this.#context.config.proxyProtocol;
    const peer = peerOfSocket(socket, { isUnix, withEndpoints: send !== 'off' });
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
    if (typeof admission === 'string') this.#reject(socket, peer, admission);
    else this.#onArrival({ socket, peer, admission });
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
