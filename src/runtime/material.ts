import type { Config, ServiceConfig } from '../config/config.ts';
import type { RawPath } from '../config/raw.ts';
import { type Problem, TlsMaterialError } from '../errors.ts';
import { type BackendMaterial, loadBackendMaterial } from '../tls/backend-material.ts';
import { findRefusedSetting } from '../tls/context-check.ts';
import { loadServiceMaterial, materialWarnings, type ServiceMaterial } from '../tls/service-material.ts';
import { readBlockPage } from './block-page-file.ts';

/** What one service needs from the disk. */
export interface LoadedService {
  readonly material: ServiceMaterial | undefined;
  readonly backendMaterial: readonly (BackendMaterial | undefined)[];
  /** The text of the configured page; undefined: the built-in one. */
  readonly blockPage: string | undefined;
}

export interface LoadedMaterial {
  /** One for each service; usable only when no problem is an error. */
  readonly services: readonly LoadedService[];
  readonly problems: readonly Problem[];
}

/** Reads every certificate, key, list and page a configuration names, and reports all that is wrong with them at once. */
export function loadMaterial(config: Config, lineOf: (path: RawPath) => number): LoadedMaterial {
  const problems: Problem[] = [];
  const attempt = <T>(path: RawPath, keys: Readonly<Record<string, unknown>>, load: () => T): T | undefined => {
    try {
      return load();
    } catch (error) {
      if (!(error instanceof TlsMaterialError)) throw error;
      const line = lineOf([...path, ...keyOf(keys, error.file)]);
      problems.push({ severity: 'error', file: config.file, line, message: error.message, code: error.code });
      return undefined;
    }
  };
  const services = config.services.map((service, index): LoadedService => {
    const path = ['services', index, 'tls'];
    const material = attempt(path, filesOf(service), () => service.tls && loadServiceMaterial(service.tls));
    for (const message of material === undefined ? [] : materialWarnings(material)) {
      problems.push({
        severity: 'warning',
        file: config.file,
        line: lineOf(path),
        message,
        code: 'ICAPGW_TLS_MATERIAL',
      });
    }
    if (material !== undefined && service.tls !== undefined) {
      const refused = findRefusedSetting(service.tls, material);
      if (refused !== undefined) {
        const line = lineOf(refused.key === undefined ? path : [...path, refused.key]);
        const message = `tls.${refused.key ?? 'cert'}: ${refused.message}`;
        problems.push({ severity: 'error', file: config.file, line, message, code: 'ICAPGW_CONFIG_INVALID' });
      }
    }
    const backendMaterial = service.backends.map(({ tls }, backend) =>
      attempt(['services', index, 'backends', backend, 'tls'], { ...tls }, () => tls && loadBackendMaterial(tls)),
    );
    const page = service.icap.blockPage === undefined ? undefined : readBlockPage(service.icap.blockPage);
    if (page !== undefined && 'problem' in page) {
      const line = lineOf(['services', index, 'block-page']);
      const message = `block-page: ${page.problem}`;
      problems.push({ severity: 'error', file: config.file, line, message, code: 'ICAPGW_CONFIG_INVALID' });
    }
    return { material, backendMaterial, blockPage: page !== undefined && 'text' in page ? page.text : undefined };
  });
  return { services, problems };
}

/** The keys of a service's TLS settings, spelled as in the file, with the files they name. */
function filesOf({ tls }: ServiceConfig): Readonly<Record<string, unknown>> {
  if (tls === undefined) return {};
  const { ca, crl } = tls.clientAuth;
  return {
    cert: tls.cert,
    key: tls.key,
    'key-passphrase-file': tls.keyPassphraseFile,
    'client-auth.ca': ca,
    'client-auth.crl': crl,
  };
}

/** The key that names a file, as a path; none where the file was found in a folder. */
function keyOf(keys: Readonly<Record<string, unknown>>, file: string): string[] {
  const found = Object.entries(keys).find(
    ([, value]) => value === file || (Array.isArray(value) && value.includes(file)),
  );
  return found === undefined ? [] : found[0].split('.');
}
