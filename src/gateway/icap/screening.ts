import { type BypassRule, FILE_TYPE_BYTES } from '../../policy/bypass-rules.ts';
import { announcedBytes } from './announced-size.ts';
import { type BlockedParty, findBlockedParty } from './blocked-party.ts';
import type { ClientRequest } from './client-request.ts';
import type { IcapContext } from './icap-context.ts';

/** What is to become of a request, before any backend has seen it. */
export type Decision =
  | { readonly kind: 'ask' }
  | { readonly kind: 'pass'; readonly rule: BypassRule }
  | { readonly kind: 'oversized' }
  | { readonly kind: 'block'; readonly party: BlockedParty }
  | { readonly kind: 'refuse'; readonly status: number; readonly reason: string };

const ASK: Decision = { kind: 'ask' };

/** Looks at a request as it comes in: its route, the rules that let it pass, the size it announces. */
export class Screening {
  readonly #context: IcapContext;
  readonly #request: ClientRequest;
  #hasBegun = false;
  #decision: Decision | undefined;

  constructor(context: IcapContext, request: ClientRequest) {
    this.#context = context;
    this.#request = request;
  }

  /** The header blocks are known: finds the route. */
  begin(): void {
    this.#hasBegun = true;
    const { route, bypass, options, service } = this.#context;
    const { head, method, sections } = this.#request;
    const found = route(method, head.uri.path);
    if (typeof found === 'string') {
      this.#decision = { kind: 'refuse', status: found === 'no-path' ? 404 : 405, reason: found };
      return;
    }
    this.#request.route = found;
    options.learn(found.path);
    const party = findBlockedParty(this.#request, service.blocked);
    if (party !== undefined) {
      this.#decision = { kind: 'block', party };
      return;
    }
    const rule = bypass?.byHead(method, sections, head.encapsulated.body);
    const { bodyBytes } = service.config.limits;
    if (rule !== undefined) this.#decision = { kind: 'pass', rule };
    else if (bodyBytes > 0 && announcedBytes(method, sections) > bodyBytes) this.#decision = { kind: 'oversized' };
  }

  /** Undefined while more of the request is needed: a preview, which is answered as a whole, or the first bytes of a body. */
  decide(): Decision | Promise<Decision> | undefined {
    const { ending, isPreview, store, head } = this.#request;
    // The ICAP head may arrive alone; what follows it belongs to the same message.
    if (!this.#hasBegun) return undefined;
    if (ending === undefined && (isPreview || head.encapsulated.body === 'null-body')) return undefined;
    const { bypass } = this.#context;
    if (this.#decision !== undefined) return this.#decision;
    if (bypass?.needsBody !== true) return ASK;
    if (ending === undefined && store.receivedBytes < FILE_TYPE_BYTES) return undefined;
    const first = Buffer.concat(store.pieces()).subarray(0, FILE_TYPE_BYTES);
    return bypass.byBody(first).then((rule) => (rule === undefined ? ASK : { kind: 'pass', rule }));
  }
}
