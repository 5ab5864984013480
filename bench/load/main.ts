/** A load generator in a process of its own, so that what it costs is not counted as a peer's. Started with `fork`. */
import { LoadGenerator } from './generator.ts';
import type { FromLoad, ToLoad } from './protocol.ts';

let generator: LoadGenerator | undefined;

function tell(message: FromLoad): void {
  process.send?.(message);
}

async function obey(message: ToLoad): Promise<void> {
  if (message.kind === 'prepare') {
    generator = new LoadGenerator(message.order);
    await generator.warmUp();
    tell({ kind: 'ready' });
    return;
  }
  if (generator === undefined) throw new Error('told to go before it was prepared');
  tell({ kind: 'done', result: await generator.measure() });
}

process.on('message', (message: ToLoad) => {
  obey(message).catch((error: unknown) => {
    tell({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
  });
});
process.on('disconnect', () => process.exit());
