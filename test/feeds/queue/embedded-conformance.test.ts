import { SYSTEM_CLOCK } from '../../../src/feeds/contract/feed-clock.ts';
import { EmbeddedQueue } from '../../../src/feeds/queue/embedded-queue.ts';
import { startFeedDisk } from '../../../src/feeds/queue/feed-disk.ts';
import { createConfigFolder } from '../../_util/config-folder.ts';
import { describeQueue } from '../queue.contract.ts';

describeQueue('the embedded queue', async ({ maxEntries }) => {
  const folder = createConfigFolder({});
  const open = async (): Promise<EmbeddedQueue> =>
    new EmbeddedQueue({
      disk: await startFeedDisk({ folder: folder.path, nowMs: Date.now() }),
      clock: SYSTEM_CLOCK,
      maxEntries: () => maxEntries,
      onTrouble: () => {},
    });
  let queue = await open();
  return {
    queue,
    async reopen() {
      await queue[Symbol.asyncDispose]();
      queue = await open();
      return queue;
    },
    async [Symbol.asyncDispose]() {
      await queue[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
});
