import type { AdminLogEvents } from './admin-log-event.ts';
import type { EventDefinition } from './event-definition.ts';

type AdminEventTable = { readonly [E in keyof AdminLogEvents]: EventDefinition<AdminLogEvents[E]> };

/** How the events of the admin endpoint are told, and what operators do there. */
export const ADMIN_EVENTS: AdminEventTable = {
  'admin-listening': {
    level: 'notice',
    text: ({ address }) => `admin endpoint listening on ${address}`,
    told: ['address'],
  },
  'admin-unavailable': {
    level: 'warning',
    text: ({ address, detail }) =>
      `going on without the admin endpoint: ${address} cannot be used (${detail}); set admin.listen to another address or to off`,
    told: ['address', 'detail'],
  },
  'admin-request-refused': {
    level: 'warning',
    text: ({ client, reason }) => `admin request from ${client} refused: ${ADMIN_REFUSAL_TEXTS[reason]}`,
    told: ['client', 'reason'],
    limited: true,
  },
  'admin-request-failed': {
    level: 'error',
    text: ({ path, detail }) => `admin request${path === undefined ? '' : ` for ${path}`} failed: ${detail}`,
    told: ['path', 'detail'],
    limited: true,
  },
  'backend-weight': {
    level: 'notice',
    text: ({ backend, weight }) => `backend ${backend} was given weight ${weight} by the operator`,
    told: ['backend', 'weight'],
  },
  'address-blocked': {
    level: 'notice',
    text: ({ address, until }) =>
      `${address} is blocked by the operator${until === undefined ? '' : ` until ${until}`}`,
    told: ['address', 'until'],
  },
  'address-unblocked': {
    level: 'notice',
    text: ({ address, cause }) => `${address} is no longer blocked: ${UNBLOCK_TEXTS[cause]}`,
    told: ['address', 'cause'],
  },
  'blocks-restored': {
    level: 'notice',
    text: ({ count }) => `${count} ${count === 1 ? 'address is' : 'addresses are'} still blocked by the operator`,
    told: ['count'],
  },
  'blocks-not-kept': {
    level: 'warning',
    text: ({ file, detail }) => `what is blocked cannot be kept over a restart in ${file}: ${detail}`,
    told: ['file', 'detail'],
  },
  'block-list-read': {
    level: 'notice',
    text: ({ file, count, exempt }) =>
      `${count} ${count === 1 ? 'entry' : 'entries'} of ${file} ${count === 1 ? 'is' : 'are'} blocked${exempt === 0 ? '' : `, ${exempt} never ${exempt === 1 ? 'is' : 'are'}`}`,
    told: ['file', 'count', 'exempt'],
  },
  'block-list-failed': {
    level: 'error',
    text: ({ detail }) =>
      `the changed list of blocked addresses cannot be used, the one before stays in force: ${detail}`,
    told: ['detail'],
  },
  'blocks-damaged': {
    level: 'error',
    text: ({ file, detail }) => `what operators had blocked could not be read (${detail}): it is kept as ${file}`,
    told: ['file', 'detail'],
  },
};

const UNBLOCK_TEXTS = {
  operator: 'unblocked by the operator',
  expired: 'its time is over',
  allowed: 'block-list.allow has it',
  own: "it is this gateway's own, or one that it needs",
} as const;

const ADMIN_REFUSAL_TEXTS = {
  token: 'no valid token',
  host: 'its Host header names another machine',
  origin: "it comes from another site's page",
} as const;
