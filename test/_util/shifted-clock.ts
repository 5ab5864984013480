import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The wall clock of programs that a test starts, which it can set forward while they run. Their timers go by real time. */
export interface ShiftedClock {
  /** What such a program is started with. */
  readonly env: NodeJS.ProcessEnv;
  /** From now on it is so much later for all of them. */
  pass(ms: number): void;
}

/** Keeps what it needs in a folder, which must be there for as long as the programs run. */
export function createShiftedClock(folder: string): ShiftedClock {
  const [offsetFile, preload] = [join(folder, 'clock-offset'), join(folder, 'shifted-clock.cjs')];
  let offsetMs = 0;
  const write = (): void => {
    // Whoever reads it meanwhile sees the one before.
    writeFileSync(`${offsetFile}.new`, String(offsetMs));
    renameSync(`${offsetFile}.new`, offsetFile);
  };
  write();
  writeFileSync(
    preload,
    `const { readFileSync } = require('node:fs');
     const { now } = Date;
     Date.now = () => now() + Number(readFileSync(${JSON.stringify(offsetFile)}, 'utf8'));`,
  );
  return {
    env: { NODE_OPTIONS: `--require ${preload}` },
    pass(ms) {
      offsetMs += ms;
      write();
    },
  };
}
