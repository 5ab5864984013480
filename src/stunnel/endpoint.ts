import { isClientMode } from './backend-tls.ts';
import type { ServiceDraft } from './draft.ts';
import type { Placed } from './place.ts';
import { isSecondary } from './server-name.ts';

/** Whether the program of a section is what connects, and not what is connected to. */
export function isProgramClient({ exec, connect }: ServiceDraft): boolean {
  return exec !== undefined && connect.length > 0;
}

/** Where a section leads, in the order of the file. */
export function targetsOf(draft: ServiceDraft): readonly Placed<string>[] {
  const program = programOf(draft);
  return draft.connect.length === 0 && program !== undefined ? [program] : draft.connect;
}

/** The program of `exec` with its arguments, as an address of the YAML format. */
export function programOf({ exec, execArgs }: ServiceDraft): Placed<string> | undefined {
  if (exec === undefined) return undefined;
  const words = [exec.value, ...(execArgs?.value ?? [])];
  return { value: `exec:${words.join(' ')}`, place: exec.place };
}

/** What is wrong with endpoints that are one too many, or two that do not go together; undefined: nothing is. */
export function endpointProblem(draft: ServiceDraft, isInetd: boolean): string | undefined {
  const { accept, connect, exec } = draft;
  const [isNamed, hasAccept] = [isSecondary(draft), accept.length > 0];
  if (isNamed && hasAccept) return 'accept does not go with sni; remove one of the two';
  if (!isProgramClient(draft)) return undefined;
  if (isNamed || hasAccept) {
    return `${hasAccept ? 'accept' : 'sni'}, connect and exec are three; remove one, or write two sections`;
  }
  if (isInetd) return 'connect and exec are one too many; remove one';
  if (isClientMode(draft)) return undefined;
  return `exec and connect together need client = yes: the program speaks in clear, and TLS begins at ${connect[0]?.value ?? exec?.value}`;
}
