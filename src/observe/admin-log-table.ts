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
    text: ({ address, cause }) =>
      `${address} is no longer blocked: ${cause === 'operator' ? 'unblocked by the operator' : 'its time is over'}`,
    told: ['address', 'cause'],
  },
};

const ADMIN_REFUSAL_TEXTS = {
  token: 'no valid token',
  host: 'its Host header names another machine',
  origin: "it comes from another site's page",
} as const;
