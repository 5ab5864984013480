import type { FailPolicy } from '../config/icap-config.ts';
import type { EventDefinition } from './event-definition.ts';
import type { IcapLogEvents } from './icap-log-event.ts';

type IcapEventTable = { readonly [E in keyof IcapLogEvents]: EventDefinition<IcapLogEvents[E]> };

/** How the events of ICAP transactions are told. A client can cause all but the last at will. */
export const ICAP_EVENTS: IcapEventTable = {
  'icap-request-refused': {
    level: 'notice',
    text: ({ client, status, detail }) => `request from ${client} refused with ${status}: ${detail}`,
    told: ['client', 'status', 'detail'],
    limited: true,
  },
  'icap-attempt-failed': {
    level: 'notice',
    text: ({ backend, address, method, path, detail, next }) =>
      `${method} ${path} failed at backend ${backend} at ${address}: ${detail}${next ? '; trying again' : ''}`,
    told: ['backend', 'address', 'method', 'path', 'detail', 'next'],
    limited: true,
  },
  'icap-policy': {
    level: 'warning',
    text: ({ client, method, path, policy, cause }) =>
      `${method} ${path} from ${client} ${POLICY_TEXTS[policy]}: ${cause}`,
    told: ['client', 'method', 'path', 'policy', 'cause'],
    limited: true,
  },
  'icap-request-blocked': {
    level: 'notice',
    text: ({ client, found, address, threat }) =>
      `a request from ${client} was blocked: ${found === 'target' ? 'it goes to' : 'its user is at'} ${address} (${threat})`,
    told: ['client', 'found', 'address', 'threat'],
    limited: true,
  },
  'icap-answer-aborted': {
    level: 'warning',
    text: ({ backend, address, detail }) => `backend ${backend} at ${address} broke off inside its answer: ${detail}`,
    told: ['backend', 'address', 'detail'],
    limited: true,
  },
  'icap-path-ignored': {
    level: 'warning',
    text: ({ path }) =>
      `clients ask for too many different paths: OPTIONS of ${path} and of further ones are not fetched from the backends (name the paths in routes)`,
    told: ['path'],
  },
};

const POLICY_TEXTS: Readonly<Record<FailPolicy, string>> = {
  bypass: 'passed without a verdict',
  block: 'was answered with the block page',
  error: 'was answered with an error',
  reset: 'was cut off',
};
