import type { EventDefinition } from './event-definition.ts';
import type { SinkLogEvents } from './sink-log-event.ts';

type SinkEventTable = { readonly [E in keyof SinkLogEvents]: EventDefinition<SinkLogEvents[E]> };

/** How the events of the log itself are told. */
export const SINK_EVENTS: SinkEventTable = {
  'log-reopened': { level: 'notice', text: ({ file }) => `log file ${file} reopened`, told: ['file'] },
  'log-open-failed': {
    level: 'error',
    text: ({ file, detail }) => `${file} cannot be opened, its lines go on where they went before: ${detail}`,
    told: ['file', 'detail'],
  },
  'log-lines-lost': {
    level: 'error',
    text: ({ count, file }) => `${count} lines were lost: ${file} could not be written`,
    told: ['count', 'file'],
  },
  'syslog-failed': {
    level: 'warning',
    text: ({ detail }) =>
      `syslog cannot be reached: ${detail}; is a syslog daemon running, and logger(1) of util-linux there? (syslog = no, or log.syslog: off, ends this)`,
    told: ['detail'],
  },
  'access-log-failed': {
    level: 'error',
    text: ({ file, detail }) => `the access log ${file} cannot be written, lines are being lost: ${detail}`,
    told: ['file', 'detail'],
  },
  'lines-suppressed': {
    level: 'warning',
    text: ({ count, similar }) => `${count} similar lines suppressed (${similar})`,
    told: ['count', 'similar'],
  },
};
