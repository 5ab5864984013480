import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';

/** Until disposed, writes to the log why the process crashes, which nobody sees of one without a terminal. */
export function reportCrash(log: Logger): Disposable {
  const tell = (error: unknown): void => {
    log.log('crashed', { detail: error instanceof Error ? (error.stack ?? error.message) : messageOf(error) });
    log.flush();
  };
  process.on('uncaughtExceptionMonitor', tell);
  return {
    [Symbol.dispose]() {
      process.off('uncaughtExceptionMonitor', tell);
    },
  };
}
