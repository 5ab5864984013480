import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionList } from '../observe/connection-entry.ts';
import type { Crew } from './crew.ts';

/** A worker that does not answer for so long hangs, or has very much to do. */
const ANSWER_PATIENCE_MS = 2_000;

/** Asks the workers for the connections they have, one question after the other: an answer does not say to which it is. */
export class ConnectionSurvey {
  readonly #crew: Crew;
  #asked: Promise<unknown> = Promise.resolve();

  constructor(crew: Crew) {
    this.#crew = crew;
  }

  /** The oldest `limit` of them; undefined where a worker does not answer. */
  async list(limit: number): Promise<ConnectionList | undefined> {
    const asked = this.#asked.then(() => this.#crew.ask({ type: 'connections', limit }, 'connections'));
    this.#asked = asked;
    const answers = await Promise.race([asked, delay(ANSWER_PATIENCE_MS, undefined, { ref: false })]);
    return (
      answers && {
        total: answers.reduce((sum, { total }) => sum + total, 0),
        connections: answers
          .flatMap(({ entries }) => entries)
          .sort((a, b) => a.connection - b.connection)
          .slice(0, limit),
      }
    );
  }

  /** Waits until the workers have dealt with all they were told, or one of them does not answer. */
  async settled(): Promise<void> {
    await this.list(0);
  }
}
