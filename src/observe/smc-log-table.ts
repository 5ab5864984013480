import type { EventDefinition } from './event-definition.ts';
import type { SmcLogEvents } from './smc-log-event.ts';

type SmcEventTable = { readonly [E in keyof SmcLogEvents]: EventDefinition<SmcLogEvents[E]> };

/** How the events of the relay to an SMC are told. */
export const SMC_EVENTS: SmcEventTable = {
  'smc-failed': {
    level: 'warning',
    text: ({ endpoint, detail }) => `no addresses are relayed to the SMC at ${endpoint} for the time being: ${detail}`,
    told: ['endpoint', 'detail'],
  },
  'smc-login-refused': {
    level: 'error',
    text: ({ endpoint, detail, retryMs }) =>
      `the SMC at ${endpoint} does not accept the API key, the next try is in ${retryMs} ms or on a reload: ${detail}`,
    told: ['endpoint', 'detail', 'retryMs'],
  },
  'smc-recovered': {
    level: 'notice',
    text: ({ endpoint }) => `addresses are relayed to the SMC at ${endpoint} again`,
    told: ['endpoint'],
  },
  'smc-relayed': {
    level: 'info',
    text: ({ engine, count, addresses }) =>
      `engine ${engine} blocks ${addresses.join(', ')}${count > addresses.length ? ` and ${count - addresses.length} more` : ''}`,
    told: ['engine', 'count', 'addresses'],
  },
  'smc-rejected': {
    level: 'error',
    text: ({ engine, count, detail }) => `engine ${engine} will not block ${count} addresses: ${detail}`,
    told: ['engine', 'count', 'detail'],
    limited: true,
  },
  'smc-engine-failed': {
    level: 'warning',
    text: ({ engine, detail }) => `engine ${engine} cannot be told what to block for the time being: ${detail}`,
    told: ['engine', 'detail'],
  },
  'smc-engine-recovered': {
    level: 'notice',
    text: ({ engine }) => `engine ${engine} is told again what to block`,
    told: ['engine'],
  },
  'smc-engine-skipped': {
    level: 'warning',
    text: ({ engine }) =>
      `engine ${engine} has no list of blocked addresses and gets none (name it in exclude-engines)`,
    told: ['engine'],
  },
  'smc-exclusion-unknown': {
    level: 'warning',
    text: ({ engines }) => `the SMC has no engine of this name to exclude: ${engines.join(', ')}`,
    told: ['engines'],
  },
  'smc-expired': {
    level: 'warning',
    text: ({ count }) => `${count} addresses had their time before every engine had them`,
    told: ['count'],
    limited: true,
  },
};
