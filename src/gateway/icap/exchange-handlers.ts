import type { AnswerRelay } from './answer-relay.ts';
import type { SearchEnd } from './member-search.ts';

/** Why no backend has answered. */
export type GivenUp = SearchEnd | 'timeout';

export interface ExchangeHandlers {
  /** The whole answer is on its way to the client. */
  readonly onAnswered: (answer: AnswerRelay) => void;
  /** The backend lets the content pass with a 204 that this client does not take. */
  readonly onUnmodified: () => void;
  /** Nobody is left to ask, or it is of no use. The client has not seen anything of an answer. */
  readonly onGivenUp: (cause: GivenUp, detail: string) => void;
  /** The answer broke off after the client had its beginning. */
  readonly onAborted: (detail: string) => void;
}
