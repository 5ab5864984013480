import type { EventDefinition } from './event-definition.ts';
import type { ProcessLogEvents } from './process-log-event.ts';

/** How the events about threads and programs are told. */
export const PROCESS_EVENTS: { readonly [E in keyof ProcessLogEvents]: EventDefinition<ProcessLogEvents[E]> } = {
  'worker-died': {
    level: 'error',
    text: ({ worker, detail }) => `worker ${worker} died and is replaced; its connections are lost: ${detail}`,
    told: ['worker', 'detail'],
  },
  'worker-started': { level: 'info', text: ({ worker }) => `worker ${worker} started`, told: ['worker'] },
  'program-started': {
    level: 'debug',
    text: ({ program, pid }) => `${program} started as process ${pid}`,
    told: ['program', 'pid'],
  },
  'program-ended': {
    level: 'notice',
    levelOf: ({ exitCode }) => (exitCode === 0 ? 'debug' : 'notice'),
    text: ({ program, pid, exitCode, signal }) =>
      `${program}, process ${pid}, ended ${signal === undefined ? `with exit code ${exitCode}` : `by ${signal}`}`,
    told: ['program', 'pid', 'exitCode', 'signal'],
    limited: true,
  },
};
