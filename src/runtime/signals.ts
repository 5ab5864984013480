/** What the operating system's signals ask for. */
export interface SignalHandlers {
  /** SIGTERM, SIGINT or SIGQUIT: the first one drains, another one ends at once. */
  readonly onStop: (signal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT') => void;
  /** SIGHUP. */
  readonly onReload: () => void;
  /** SIGUSR1. */
  readonly onReopen: () => void;
  /** SIGUSR2. */
  readonly onStatistics: () => void;
}

/** Listens for signals until disposed. SIGUSR1 is also taken away from Node, which would open its debugger. */
export function handleSignals({ onStop, onReload, onReopen, onStatistics }: SignalHandlers): Disposable {
  const listeners: readonly (readonly [NodeJS.Signals, () => void])[] = [
    ['SIGTERM', () => onStop('SIGTERM')],
    ['SIGINT', () => onStop('SIGINT')],
    ['SIGQUIT', () => onStop('SIGQUIT')],
    ['SIGHUP', onReload],
    ['SIGUSR1', onReopen],
    ['SIGUSR2', onStatistics],
  ];
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return {
    [Symbol.dispose]() {
      for (const [signal, listener] of listeners) process.off(signal, listener);
    },
  };
}
