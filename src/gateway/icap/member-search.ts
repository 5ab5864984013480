import type { UpstreamError } from '../../errors.ts';
import type { AddressedMember } from '../../health/membership.ts';
import { fieldValue } from '../../icap/field.ts';
import type { Route } from '../../policy/route.ts';
import { type BackendFailure, failureOf } from '../backend-search.ts';
import type { BackendConnection } from './backend-connection.ts';
import type { Place, QueueTicket } from './backend-queue.ts';
import type { ClientRequest } from './client-request.ts';
import type { IcapContext } from './icap-context.ts';

/** Why no backend could be asked. `down`: nobody is fit; `queue`: those who are have no place, and waiting did not help. */
export type SearchEnd = 'down' | 'queue';

export interface MemberSearchHandlers {
  /** The connection holds a place: it goes back through `BackendConnections`. */
  readonly onConnection: (connection: BackendConnection) => void;
  /** No connection could be opened. Returns whether to look for another backend. */
  readonly onConnectFailure: (member: AddressedMember, reason: BackendFailure, detail: string) => boolean;
  readonly onNobody: (end: SearchEnd) => void;
}

/** Finds connections for one transaction, each backend once, in the order of the policy. */
export class MemberSearch {
  readonly #context: IcapContext;
  readonly #request: ClientRequest;
  readonly #route: Route;
  readonly #hashKey: string;
  readonly #handlers: MemberSearchHandlers;
  readonly #tried: Set<number> = new Set();
  #ticket: QueueTicket | undefined;
  #dialled: { readonly member: AddressedMember; readonly abandon: () => void } | undefined;

  constructor(
    context: IcapContext,
    request: ClientRequest,
    address: string | undefined,
    handlers: MemberSearchHandlers,
  ) {
    const { header } = context.service.config.balance;
    const value = header === undefined ? undefined : fieldValue(request.head.fields, header.toLowerCase());
    this.#context = context;
    this.#request = request;
    this.#route = request.route;
    this.#hashKey = value ?? address ?? '';
    this.#handlers = handlers;
  }

  /** Looks for a member that was not tried, waiting for a place where all are full. */
  next(): void {
    const { queue } = this.#context;
    const picked = queue.isWaiting ? 'full' : this.#pick();
    if (picked === undefined) this.#handlers.onNobody('down');
    else if (picked !== 'full') this.#use(picked);
    else {
      this.#ticket = queue.wait(() => this.#pick(), {
        onPlace: (place) => {
          this.#ticket = undefined;
          this.#use(place);
        },
        onEnd: (end) => {
          this.#ticket = undefined;
          this.#handlers.onNobody(end);
        },
      });
    }
  }

  /** Excludes a member from now on. */
  exclude(member: AddressedMember): void {
    this.#tried.add(member.slot);
  }

  /** Whether `next` would find, or wait for, another member. Takes no place. */
  hasOther(): boolean {
    const { selector } = this.#context.service;
    return selector.has({ tried: this.#tried, allows: this.#allows });
  }

  /** Opens a new connection to the same member, over the place that the lost one held. */
  again(member: AddressedMember): void {
    this.#open(member);
  }

  /** Gives up and gives everything back. No handler is called after it. */
  abandon(): void {
    this.#ticket?.cancel();
    this.#ticket = undefined;
    const { service } = this.#context;
    if (this.#dialled === undefined) return;
    this.#dialled.abandon();
    service.pool.release(this.#dialled.member.slot, service.worker);
    this.#dialled = undefined;
  }

  readonly #allows = (member: AddressedMember): boolean => {
    const { backends, path } = this.#route;
    if (backends !== undefined && !backends.has(member.backend)) return false;
    return !this.#context.options.isDenied(path, member.slot);
  };

  #pick(): Place | 'full' | undefined {
    return this.#context.service.selector.pick({
      hashKey: this.#hashKey,
      tried: this.#tried,
      random: Math.random,
      allows: this.#allows,
      nowMs: this.#context.ledger.nowMs(),
      lastResort: false,
    });
  }

  #use({ member, reuse }: Place): void {
    const { connections, service } = this.#context;
    const mayReplay = this.#request.ending !== undefined && this.#request.isRetained(service.config.icap.retainBytes);
    const idle = reuse ? connections.takeIdle(member, mayReplay) : undefined;
    if (idle === undefined) this.#open(member);
    else this.#handlers.onConnection(idle);
  }

  #open(member: AddressedMember): void {
    const { connections, service } = this.#context;
    const abandon = connections.open(member, {
      onConnect: (connection) => {
        this.#dialled = undefined;
        service.counters.backendAttempt(service.index, member.backend, 'connected');
        this.#handlers.onConnection(connection);
      },
      onFail: (error: UpstreamError) => {
        this.#dialled = undefined;
        const reason = failureOf(error);
        service.counters.backendAttempt(service.index, member.backend, reason);
        service.pool.release(member.slot, service.worker);
        this.exclude(member);
        if (this.#handlers.onConnectFailure(member, reason, error.message)) this.next();
      },
    });
    this.#dialled = { member, abandon };
  }
}
