import type { LogLevel } from '../config/config.ts';

/** How an event is told in our own formats. */
export interface EventDefinition<F> {
  /** The most severe level it can have. */
  readonly level: LogLevel;
  /** The level of one occurrence, where that depends on its fields. */
  readonly levelOf?: (fields: F) => LogLevel;
  readonly text: (fields: F) => string;
  /** Fields the text holds already: the text format appends only the others. */
  readonly told: readonly (keyof F)[];
  /** A hostile client can cause it at will: only so many a second are written. */
  readonly limited?: true;
  /** Written at every log level, because someone asked for it. */
  readonly always?: true;
}
