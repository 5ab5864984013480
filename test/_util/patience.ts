import { vi } from 'vitest';

/** Long enough for a machine that has much else to do; what comes sooner is seen sooner. */
const PATIENCE_MS = 10_000;
const INTERVAL_MS = 20;

const { waitFor, waitUntil } = vi;

// A second, as it comes, is less than the start of a program takes on a loaded machine.
vi.waitFor = (callback, options) => waitFor(callback, patient(options));
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options));

function patient(options: Parameters<typeof waitFor>[1]): Parameters<typeof waitFor>[1] {
  return typeof options === 'number' ? options : { timeout: PATIENCE_MS, interval: INTERVAL_MS, ...options };
}
