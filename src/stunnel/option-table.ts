import { distance } from 'fastest-levenshtein';
import type { StunnelOption } from './option.ts';
import { CLIENT_AUTH_OPTIONS } from './option-client-auth.ts';
import { ENDPOINT_OPTIONS } from './option-endpoint.ts';
import { PROCESS_OPTIONS } from './option-process.ts';
import { SERVICE_OPTIONS } from './option-service.ts';
import { SOCKET_OPTIONS } from './option-socket.ts';
import { TLS_OPTIONS } from './option-tls.ts';

/** Every option of stunnel 5.68 to 5.75, each once. */
export const STUNNEL_OPTIONS: readonly StunnelOption[] = [
  ...PROCESS_OPTIONS,
  ...ENDPOINT_OPTIONS,
  ...SERVICE_OPTIONS,
  ...CLIENT_AUTH_OPTIONS,
  ...TLS_OPTIONS,
  ...SOCKET_OPTIONS,
];

const MAX_GUESSED_LENGTH = 40;

const BY_NAME: ReadonlyMap<string, StunnelOption> = new Map(
  STUNNEL_OPTIONS.flatMap((option) => [option.name, ...option.aliases].map((name) => [name.toLowerCase(), option])),
);

/** Finds an option by its name or alias in any case. */
export function findOption(name: string): StunnelOption | undefined {
  return BY_NAME.get(name.toLowerCase());
}

/** The known option that was probably meant, or undefined where none is near enough. */
export function nearestOption(name: string): string | undefined {
  if (name.length > MAX_GUESSED_LENGTH) return undefined;
  const given = name.toLowerCase();
  let best: { readonly name: string; readonly steps: number } | undefined;
  for (const [known, option] of BY_NAME) {
    const steps = distance(given, known);
    // A third of the letters may differ: `TIMEOUTclse` finds TIMEOUTclose, `foo` finds nothing.
    if (steps * 3 <= Math.max(given.length, known.length) && steps < (best?.steps ?? Number.POSITIVE_INFINITY)) {
      best = { name: option.name, steps };
    }
  }
  return best?.name;
}
