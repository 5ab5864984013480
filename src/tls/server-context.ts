import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { ServiceTlsConfig } from '../config/tls-config.ts';
import { cipherList } from './cipher-list.ts';
import { allowsResumption, type ServiceMaterial } from './service-material.ts';
import type { TicketKeys } from './ticket-keys.ts';
import { renewTickets } from './ticket-renewal.ts';
import { verificationOptions } from './trust-store.ts';

interface ServerContextOptions {
  readonly tls: ServiceTlsConfig;
  readonly material: ServiceMaterial;
  readonly tickets: TicketKeys;
}

/** The TLS context of one service in one worker. Making one costs milliseconds: once per policy, never per connection. */
export function createServerContext({ tls, material, tickets }: ServerContextOptions): SecureContext {
  const { keyPair, trust } = material;
  const hasTickets = tls.sessionTickets && allowsResumption(tls);
  // A renegotiation would let a client change its identity after it was judged.
  const secureOptions = constants.SSL_OP_NO_RENEGOTIATION | (hasTickets ? 0 : constants.SSL_OP_NO_TICKET);
  const options: SecureContextOptions = {
    ...(keyPair !== undefined && { cert: keyPair.certChainPem, key: keyPair.keyPem }),
    ...verificationOptions(trust),
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: cipherList(tls),
    honorCipherOrder: tls.serverCipherPreference,
    ecdhCurve: tls.groups ?? 'auto',
    secureOptions,
    sessionIdContext: tickets.sessionIdContext,
    ticketKeys: tickets.keys,
    sessionTimeout: Math.max(1, Math.round(tls.sessionTimeoutMs / 1000)),
  };
  const context = createSecureContext(options);
  // With TLS 1.2 a ticket serves as often as it is shown.
  if (hasTickets && tls.maxVersion === 'TLSv1.3') renewTickets(context, tickets.keys);
  return context;
}
