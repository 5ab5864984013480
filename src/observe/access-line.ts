import type { AccessRecord, IcapAccess } from './access-record.ts';
import { bounded, safeJson } from './log-format.ts';
import { withoutCredentials } from './redaction.ts';

/** One JSON object; what is unknown is null, and the keys keep their order. */
export function accessLine(access: AccessRecord): string {
  return safeJson({
    time: new Date(access.timeMs).toISOString(),
    service: access.service,
    connection: access.connection,
    client: access.client,
    tls: access.tls ?? null,
    subject: bounded(access.subject) ?? null,
    backend: access.backend ?? null,
    bytesIn: access.bytesIn,
    bytesOut: access.bytesOut,
    ms: access.ms,
    reason: access.reason,
    ...(access.kind === 'icap' ? icapKeys(access) : undefined),
  });
}

function icapKeys(access: IcapAccess): Readonly<Record<string, ReturnType<typeof bounded> | null>> {
  return {
    transaction: access.transaction,
    correlation: access.correlation ?? null,
    method: bounded(access.method),
    path: bounded(withoutCredentials(access.path)),
    http: access.http === undefined ? null : bounded(withoutCredentials(access.http)),
    status: access.status ?? null,
    httpStatus: access.httpStatus ?? null,
    verdict: access.verdict ?? null,
    threat: bounded(access.threat) ?? null,
    user: bounded(access.user) ?? null,
    clientIp: bounded(access.clientIp) ?? null,
    attempt: access.attempt,
    retryReason: access.retryReason ?? null,
    preview: access.preview ?? null,
    msToFirstByte: access.msToFirstByte ?? null,
    istag: bounded(access.istag) ?? null,
  };
}
