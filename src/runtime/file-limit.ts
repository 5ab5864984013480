import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';

/** Listeners, logs, probes, the admin endpoint, and what the runtime itself keeps open. */
const RESERVE = 100;
/** One to the client, one to the backend. */
const FILES_PER_CONNECTION = 2;

/** How many files the configured connections need at the most. */
export function neededFiles({ services }: Config): number {
  const connections = services.reduce((sum, { limits }) => sum + limits.connections, 0);
  return connections * FILES_PER_CONNECTION + RESERVE;
}

/** How many files this process may open; Infinity where the system does not tell. Node raises it to the hard limit. */
export function fileLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    // Only Linux has this file.
    return Number.POSITIVE_INFINITY;
  }
}
