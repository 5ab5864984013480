import type { TunnelAccess } from '../observe/access-record.ts';
import type { HandshakeVersion } from '../observe/labels.ts';

/** Whose connection it was. */
interface Visitor {
  names(): Pick<TunnelAccess, 'service' | 'connection' | 'client'>;
  identity(): { readonly subject?: string };
  readonly version: HandshakeVersion | undefined;
  readonly ms: number;
}

/** How a connection ended, for the access log. */
export function tunnelAccess(
  visitor: Visitor,
  end: Pick<TunnelAccess, 'backend' | 'bytesIn' | 'bytesOut' | 'reason'>,
): TunnelAccess {
  const { version, ms } = visitor;
  return {
    ...{ kind: 'tunnel', timeMs: Date.now(), ...visitor.names() },
    ...{ tls: version, subject: visitor.identity().subject, ms },
    ...end,
  };
}
