import type { AskOptions } from '../../src/health/member-catalog.ts';
import type { OptionsAnswer } from '../../src/health/options-exchange.ts';
import { parseServiceOptions, type ServiceOptions } from '../../src/icap/service-options.ts';

/** A member that is asked for OPTIONS, and answers what the test says. */
export interface ScriptedMember {
  readonly ask: AskOptions;
  /** Paths it was asked for, in order. */
  readonly asked: string[];
  /** `silent`: nothing until the deadline. A number: that status, with options where it is a 2xx. */
  answer: number | 'silent' | 'refused';
  /** Said in each good answer. */
  says: Partial<ServiceOptions>;
}

const PLAIN: ServiceOptions = parseServiceOptions([
  { name: 'Methods', key: 'methods', value: 'REQMOD', offset: 0 },
  { name: 'ISTag', key: 'istag', value: '"tag"', offset: 17 },
]);

export function scriptMember(answer: ScriptedMember['answer'] = 200): ScriptedMember {
  const script: ScriptedMember = {
    asked: [],
    answer,
    says: {},
    async ask(path, { timeoutMs, signal }) {
      script.asked.push(path);
      if (script.answer === 'refused') return { reason: 'refused', detail: 'scripted' };
      if (script.answer === 'silent') {
        await waited(timeoutMs, signal);
        return { reason: 'timeout', detail: 'scripted' };
      }
      return answerOf(script.answer, script.says);
    },
  };
  return script;
}

function answerOf(status: number, says: Partial<ServiceOptions>): OptionsAnswer {
  const isGood = status >= 200 && status < 300;
  return { status, statusLine: `ICAP/1.0 ${status}`, options: isGood ? { ...PLAIN, ...says } : undefined };
}

function waited(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
