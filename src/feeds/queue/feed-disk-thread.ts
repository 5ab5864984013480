import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, RuntimeError } from '../../errors.ts';
import type { DiskAnswer, DiskOrder, DiskStart } from './feed-disk.ts';
import { type FeedFile, openFeedFile } from './feed-file.ts';

// A disk that hangs holds this thread, and nobody who probes, answers or drains.
const port = parentPort;
if (port !== null) serve((answer) => port.postMessage(answer));

function serve(tell: (answer: DiskAnswer) => void): void {
  const file = open(tell);
  if (file === undefined) return;
  port?.on('message', (order: DiskOrder) => {
    if (order.type === 'close') {
      file[Symbol.dispose]();
      port.close();
      return;
    }
    try {
      file.write(order.changes, order.expireMs);
      tell({ type: 'written', number: order.number, trouble: undefined });
    } catch (error) {
      tell({ type: 'written', number: order.number, trouble: messageOf(error) });
    }
  });
}

function open(tell: (answer: DiskAnswer) => void): FeedFile | undefined {
  const { folder, nowMs } = workerData as DiskStart;
  try {
    const { file, entries, damaged } = openFeedFile(folder, nowMs);
    tell({ type: 'opened', entries, damaged });
    return file;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    // What the text says first is said again by whoever throws it on.
    tell({ type: 'refused', detail: error.message.replace(/^.*?: /s, '') });
    return undefined;
  }
}
