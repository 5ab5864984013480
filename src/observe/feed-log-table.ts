import type { EventDefinition } from './event-definition.ts';
import type { FeedLogEvents } from './feed-log-event.ts';

type FeedEventTable = { readonly [E in keyof FeedLogEvents]: EventDefinition<FeedLogEvents[E]> };

/** How the events of threat feeds are told. */
export const FEED_EVENTS: FeedEventTable = {
  'feed-listening': {
    level: 'notice',
    text: ({ feed, address }) => `feed ${feed} listening on ${address}`,
    told: ['feed', 'address'],
  },
  'feed-request-refused': {
    level: 'warning',
    text: ({ feed, client, code, reason }) => `feed ${feed}: request from ${client} answered ${code}: ${reason}`,
    told: ['feed', 'client', 'code', 'reason'],
    limited: true,
  },
  'feed-client-refused': {
    level: 'warning',
    text: ({ feed, client }) => `feed ${feed}: ${client} may not connect: it is not in allow-from`,
    told: ['feed', 'client'],
    limited: true,
  },
  'feed-requests-refused': {
    level: 'warning',
    text: ({ feed, client, count, seconds, code, reason }) =>
      `feed ${feed}: ${count} more ${count === 1 ? 'request' : 'requests'} from ${client} answered ${code} within ${seconds} s: ${reason}`,
    told: ['feed', 'client', 'count', 'seconds', 'code', 'reason'],
  },
  'feed-clients-refused': {
    level: 'warning',
    text: ({ feed, client, count, seconds }) =>
      `feed ${feed}: ${count} more ${count === 1 ? 'connection' : 'connections'} from ${client} refused within ${seconds} s: not in allow-from`,
    told: ['feed', 'client', 'count', 'seconds'],
  },
  'feed-request-failed': {
    level: 'error',
    text: ({ feed, detail }) => `feed ${feed}: a request could not be served: ${detail}`,
    told: ['feed', 'detail'],
    limited: true,
  },
  'feed-address-taken': {
    level: 'notice',
    text: ({ feed, address, type, until }) => `${address} is blocked until ${until}: ${feed} found ${type}`,
    told: ['feed', 'address', 'type', 'until'],
    limited: true,
  },
  'feed-address-ignored': {
    level: 'notice',
    text: ({ feed, address, reason }) => `${address} of ${feed} is not blocked: ${IGNORE_TEXTS[reason]}`,
    told: ['feed', 'address', 'reason'],
    limited: true,
  },
  'feed-address-expired': {
    level: 'info',
    text: ({ address }) => `${address} is no longer blocked: its time is over`,
    told: ['address'],
    limited: true,
  },
  'feed-address-lifted': {
    level: 'notice',
    text: ({ address, reason }) => `${address} is no longer blocked: ${IGNORE_TEXTS[reason]}`,
    told: ['address', 'reason'],
    limited: true,
  },
  'feed-state-damaged': {
    level: 'error',
    text: ({ file, detail }) =>
      `the state of the feed could not be read (${detail}): it is kept as ${file}, and begun anew`,
    told: ['file', 'detail'],
  },
  'feed-queue-failed': {
    level: 'error',
    text: ({ detail }) => `findings cannot be kept, their senders are answered 503: ${detail}`,
    told: ['detail'],
  },
  'feed-queue-recovered': {
    level: 'notice',
    text: () => 'findings can be kept again',
    told: [],
  },
  'feed-queue-remade': {
    level: 'warning',
    text: ({ queue }) => `the broker had lost its new queue ${queue} but for the name: there is another one`,
    told: ['queue'],
  },
};

const IGNORE_TEXTS = {
  own: "it is this gateway's own, or one that it needs",
  allowed: 'block-list.allow has it',
  reserved: 'it is reserved; feeds.blockable lifts that',
  private: 'it is private; feeds.blockable lifts that',
  archived: 'its finding is archived',
  severity: 'its finding is less severe than feeds.min-severity',
} as const;
