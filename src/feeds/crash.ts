/** For what nobody awaits: a mistake in this program ends it, instead of going unseen. */
export function crash(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
