import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { BackendMaterial } from './backend-material.ts';
import { cipherList, keyedCipherList } from './cipher-list.ts';
import { verificationOptions } from './trust-store.ts';

/** The TLS context for one backend. Making one costs milliseconds: once per policy, never per connection. */
export function createBackendContext({ tls, trust, keyPair, psk, pins }: BackendMaterial): SecureContext {
  const usesPublicCas = tls.verify && pins.length === 0 && trust === undefined && psk === undefined;
  return createSecureContext({
    ...(usesPublicCas ? {} : verificationOptions(trust)),
    ...(keyPair !== undefined && { cert: keyPair.certChainPem, key: keyPair.keyPem }),
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: psk === undefined ? cipherList(tls) : keyedCipherList(tls),
    ecdhCurve: tls.groups ?? 'auto',
    // A renegotiation would let a backend change its identity after it was judged.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (tls.sessionResumption ? 0 : constants.SSL_OP_NO_TICKET),
  });
}
