import type { EventDefinition } from './event-definition.ts';
import type { TraceLogEvents } from './trace-log-event.ts';

type TraceEventTable = { readonly [E in keyof TraceLogEvents]: EventDefinition<TraceLogEvents[E]> };

/** How the events of tracing are told. */
export const TRACE_EVENTS: TraceEventTable = {
  'traces-failed': {
    level: 'warning',
    text: ({ collector, detail }) => `traces cannot be sent to ${collector}: ${detail}`,
    told: ['collector', 'detail'],
  },
  'traces-recovered': {
    level: 'notice',
    text: ({ collector }) => `traces are sent to ${collector} again`,
    told: ['collector'],
  },
  'traces-lost': {
    level: 'warning',
    text: ({ collector, count }) => `${count} spans were lost on their way to ${collector}`,
    told: ['collector', 'count'],
  },
};
