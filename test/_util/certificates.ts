import { inject } from 'vitest';
import type { CertificateLab } from './certificate-lab.ts';

declare module 'vitest' {
  interface ProvidedContext {
    certificates: CertificateLab;
  }
}

/** Paths of the certificates that the global setup made for this run. Never write into its folder. */
export function certificates(): CertificateLab {
  return inject('certificates');
}
