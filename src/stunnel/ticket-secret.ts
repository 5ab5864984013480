import type { ServiceDraft } from './draft.ts';
import type { ApplyOption } from './option.ts';
import type { Place } from './place.ts';
import type { Put } from './put.ts';
import type { Report } from './report.ts';

/** What the two parts of a secret are for. */
export type TicketSecretPart = 'ticketKeySecret' | 'ticketMacSecret';

const BYTE_COUNTS: readonly number[] = [16, 32];

/** Reads one of the two parts; no message repeats it. */
export function readTicketSecret(part: TicketSecretPart): ApplyOption<ServiceDraft> {
  return ({ value, place }, draft, report) => {
    const hex = /^(?:[0-9a-f]{2}:?)*$/i.test(value) ? value.replaceAll(':', '').toLowerCase() : undefined;
    if (hex === undefined) {
      report.error(place, `${part}: Required ${part} is 16 or 32 byte hexadecimal key; openssl rand -hex 32 makes one`);
      return;
    }
    const byteCount = hex.length / 2;
    if (BYTE_COUNTS.includes(byteCount)) draft.ticketSecrets.set(part, { value: hex, place });
    else report.error(place, `${part}: ${part} value has ${byteCount} bytes instead of required 16 or 32 bytes`);
  };
}

/** Writes both parts as the one secret that they are here. */
export function putTicketSecret(
  draft: ServiceDraft,
  { name, place: section }: { readonly name: string; readonly place: Place },
  put: Put,
  report: Report,
): void {
  const key = draft.ticketSecrets.get('ticketKeySecret');
  const mac = draft.ticketSecrets.get('ticketMacSecret');
  if (key !== undefined && mac !== undefined) {
    put('ticket-secret', key.value + mac.value, key.place);
    return;
  }
  const single = key ?? mac;
  if (single === undefined || isMentioned(draft, 'ticketKeySecret', 'ticketMacSecret')) return;
  const message = '"ticketKeySecret" and "ticketMacSecret" must be set together';
  // What is inherited from before the first section is the fault of the section that adds nothing to it.
  report.error(single.place.order < section.order ? section : single.place, `Service [${name}]: ${message}`);
}

/** Only servers give tickets; a line before the first section may be about one of them. */
export function warnUnusedTicketSecret(draft: ServiceDraft, section: Place, report: Report): void {
  for (const [part, { place }] of draft.ticketSecrets) {
    if (place.order > section.order) report.warn(place, `${part} is ignored in the client mode; remove the line`);
  }
}

/** Whether all were given, well written or not. */
function isMentioned(draft: ServiceDraft, ...parts: readonly TicketSecretPart[]): boolean {
  return parts.every((part) => draft.mentioned.has(part.toLowerCase()));
}
