import { SYSTEM_CLOCK } from '../../src/feeds/contract/feed-clock.ts';
import { EmbeddedQueue } from '../../src/feeds/queue/embedded-queue.ts';
import { startFeedDisk } from '../../src/feeds/queue/feed-disk.ts';

// A process that puts and relays addresses without end, and says of each what is durable, until it is killed.
const [folder = '', first = '0'] = process.argv.slice(2);
const clock = SYSTEM_CLOCK;
const disk = await startFeedDisk({ folder, nowMs: clock.nowMs() });
const queue = new EmbeddedQueue({ disk, clock, maxEntries: () => 1_000_000, onTrouble: () => {} });
const untilMs = clock.nowMs() + 3_600_000;
/** Resolves when the reader is sure to get it: at most one step is ahead of what was said. */
const say = (word: string, address: string): Promise<void> =>
  new Promise((resolve) => {
    process.stdout.write(`${word} ${address}\n`, () => resolve());
  });

async function walk(start: number): Promise<void> {
  for (let number = start; ; number += 7) {
    const address = `203.${(number >> 16) & 0xff}.${(number >> 8) & 0xff}.${number & 0xff}`;
    await queue.put([{ address, source: 'guardduty', type: 'T', untilMs, findings: 1 }]);
    await say('put', address);
    await queue.settle([{ address, engine: 'NGFW 1', outcome: 'added', heldUntilMs: untilMs }]);
    await say('settled', address);
    await queue.conclude([{ address, retryAtMs: undefined }]);
    await say('concluded', address);
    if (number % 3 !== 0) continue;
    await queue.remove(address);
    await say('removed', address);
  }
}

await Promise.all(Array.from({ length: 7 }, (_, index) => walk(Number(first) + index)));
