import type { Config, ServiceConfig } from '../config/config.ts';
import type { RawPath } from '../config/raw.ts';
import type { BackendTlsConfig } from '../config/tls-config.ts';
import { type ErrorCode, type Problem, TlsMaterialError } from '../errors.ts';
import { type BackendMaterial, backendMaterialWarnings, loadBackendMaterial } from '../tls/backend-material.ts';
import { findRefusedBackendSetting, findRefusedSetting, type RefusedSetting } from '../tls/context-check.ts';
import { loadServiceMaterial, materialWarnings, type ServiceMaterial } from '../tls/service-material.ts';
import { readBlockPage } from './block-page-file.ts';
import { programTroubles } from './program-check.ts';

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

/** How the material of one TLS mapping is read and looked through. */
interface Loading<M> {
  /** Where the mapping is. */
  readonly path: RawPath;
  /** Its keys, spelled as in the file, with the files they name. */
  readonly files: Readonly<Record<string, unknown>>;
  readonly load: () => M;
  readonly warningsOf: (material: M) => readonly string[];
  readonly findRefused: (material: M) => RefusedSetting | undefined;
}

/**
 * Reads every certificate, key, list and page a configuration names, and looks for its programs. Reports all that is wrong
 * with them at once.
 */
export function loadMaterial(config: Config, lineOf: (path: RawPath) => number): LoadedMaterial {
  const problems: Problem[] = [];
  const report = (severity: Problem['severity'], path: RawPath, message: string, code: ErrorCode): void => {
    problems.push({ severity, file: config.file, line: lineOf(path), message, code });
  };
  const attempt = <M>({ path, files, load, warningsOf, findRefused }: Loading<M>): M | undefined => {
    try {
      const material = load();
      for (const message of warningsOf(material)) report('warning', path, message, 'ICAPGW_TLS_MATERIAL');
      const refused = findRefused(material);
      if (refused !== undefined) {
        const at = refused.key === undefined ? path : [...path, refused.key];
        report('error', at, `tls.${refused.key ?? 'cert'}: ${refused.message}`, 'ICAPGW_CONFIG_INVALID');
      }
      return material;
    } catch (error) {
      if (!(error instanceof TlsMaterialError)) throw error;
      report('error', [...path, ...keyOf(files, error.file)], error.message, error.code);
      return undefined;
    }
  };
  const services = config.services.map((service, index): LoadedService => {
    const { tls } = service;
    const material =
      tls &&
      attempt({
        path: ['services', index, 'tls'],
        files: filesOf(service),
        load: () => loadServiceMaterial(tls),
        warningsOf: materialWarnings,
        findRefused: (loaded) => findRefusedSetting(tls, loaded),
      });
    // What backends have in common is said once.
    const told = new Set<string>();
    const backendMaterial = service.backends.map(
      (backend, position) =>
        backend.tls && attempt(backendLoading(['services', index, 'backends', position, 'tls'], backend.tls, told)),
    );
    for (const { path, message } of programTroubles(service)) {
      report('error', ['services', index, ...path], message, 'ICAPGW_CONFIG_INVALID');
    }
    const page = service.icap.blockPage === undefined ? undefined : readBlockPage(service.icap.blockPage);
    if (page !== undefined && 'problem' in page) {
      report('error', ['services', index, 'block-page'], `block-page: ${page.problem}`, 'ICAPGW_CONFIG_INVALID');
    }
    return { material, backendMaterial, blockPage: page !== undefined && 'text' in page ? page.text : undefined };
  });
  return { services, problems };
}

function backendLoading(path: RawPath, tls: BackendTlsConfig, told: Set<string>): Loading<BackendMaterial> {
  return {
    path,
    files: {
      cert: tls.cert,
      key: tls.key,
      'key-passphrase-file': tls.keyPassphraseFile,
      'psk-file': tls.pskFile,
      ca: tls.ca,
      crl: tls.crl,
      'pin-sha256': tls.pinSha256,
    },
    load: () => loadBackendMaterial(tls),
    warningsOf(material) {
      const warnings = backendMaterialWarnings(material).filter((warning) => !told.has(warning));
      for (const warning of warnings) told.add(warning);
      return warnings;
    },
    findRefused: findRefusedBackendSetting,
  };
}

/** The keys of a service's TLS settings, spelled as in the file, with the files they name. */
function filesOf({ tls }: ServiceConfig): Readonly<Record<string, unknown>> {
  if (tls === undefined) return {};
  const { ca, crl } = tls.clientAuth;
  return {
    cert: tls.cert,
    key: tls.key,
    'key-passphrase-file': tls.keyPassphraseFile,
    'psk-file': tls.pskFile,
    'ticket-secret-file': tls.ticketSecret.file,
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
