import { type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config/config.ts';
import type { FeedQueueConfig, FeedsConfig, SecretConfig } from '../config/feed-config.ts';
import type { RawPath } from '../config/raw.ts';
import { ConfigError, type ErrorCode, messageOf, type Problem, RuntimeError, TlsMaterialError } from '../errors.ts';
import { feedFolder } from '../feeds/feed-folder.ts';
import { type BrokerAddress, parseBrokerUrl } from '../feeds/rabbitmq/broker-url.ts';
import { readSecret } from '../feeds/secret.ts';
import { validityWarnings } from '../tls/certificate.ts';
import { loadKeyPair } from '../tls/material.ts';
import { loadCertificates } from '../tls/trust.ts';
import { openSecretFileProblem, openSecretProblem } from './open-secret.ts';

/** A secret of the feed, with where either form of the configuration writes it. */
interface Named {
  readonly what: string;
  readonly secret: SecretConfig | undefined;
  readonly path: RawPath;
  readonly flat: string;
}

const OTHERS_WRITE = 0o002;
const NOT_OWNER = 0o077;

/**
 * Looks at the files that the feed of a configuration needs: secrets, certificate and key, the CA of the SMC. Warns where
 * everybody can read a secret, or a configuration that holds one itself, where others come to the folder of the state, and
 * of certificates that the other side may refuse, or cannot show.
 */
export function verifyFeed(config: Config, lineOf: (path: RawPath) => number): Problem[] {
  const { feeds, file } = config;
  if (feeds === undefined) return [];
  // One of the two forms is not the one that was read: its line is that of the whole document.
  const line = (path: RawPath, flat: string): number => Math.max(lineOf(path), lineOf([flat]));
  const secrets = secretsOf(feeds);
  const problems: Problem[] = [];
  const report = (severity: Problem['severity'], place: number, message: string, code: ErrorCode): void => {
    problems.push({ severity, file, line: place, message, code });
  };
  for (const { what, secret, path, flat } of secrets) {
    const trouble = troubleOf(() => secret && readSecret(secret, what));
    if (trouble !== undefined) report('error', line(path, flat), trouble, 'ICAPGW_CONFIG_INVALID');
    if (trouble !== undefined || secret?.file === undefined) continue;
    const open = openSecretFileProblem(secret.file, what);
    if (open !== undefined) report('warning', line(path, flat), open, 'ICAPGW_CONFIG_UNSAFE');
  }
  const material = (path: RawPath, flat: string, warningsOf: () => readonly string[]): void => {
    const place = line(path, flat);
    const trouble = troubleOf(() => {
      for (const message of warningsOf()) report('warning', place, message, 'ICAPGW_TLS_MATERIAL');
    });
    if (trouble !== undefined) report('error', place, trouble, 'ICAPGW_TLS_MATERIAL');
  };
  const { guardDuty, smc, queue } = feeds;
  const tls = guardDuty?.tls;
  if (tls !== undefined) {
    material(['feeds', 'guardduty', 'tls'], '', () => {
      const { cert: certFile, key: keyFile, keyPassphraseFile: passphraseFile } = tls;
      return loadKeyPair({ certFile, keyFile, passphraseFile, securityLevel: undefined }).warnings;
    });
  }
  if (queue.type === 'rabbitmq') {
    material(['feeds', 'queue', 'ca'], '', () => trustWarnings(queue.ca));
    const isFile = queue.url.file !== undefined;
    const place = line(['feeds', 'queue', isFile ? 'url-file' : 'url'], 'queue_url');
    const message = troubleOf(() => {
      const clear = clearTextProblem(addressOf(queue));
      if (clear !== undefined) report('warning', place, clear, 'ICAPGW_CONFIG_UNSAFE');
    });
    if (message !== undefined) report('error', place, message, 'ICAPGW_FEED_BROKER');
  }
  if (smc !== undefined) material(['feeds', 'smc', 'ca'], 'smc_ca', () => trustWarnings(smc.ca));
  const written = secrets.find(({ secret }) => secret?.value !== undefined);
  const openSecret = written && openSecretProblem(file, line(written.path, written.flat), written.what);
  if (openSecret !== undefined) problems.push(openSecret);
  const open = openFolderOf(config);
  if (open !== undefined) {
    report('warning', line(['feeds', 'state-dir'], 'state_dir'), open, 'ICAPGW_CONFIG_UNSAFE');
  }
  return problems;
}

/** A folder that is there already keeps its mode: who other than its owner comes to the state in it, as a sentence. */
function openFolderOf(config: Config): string | undefined {
  const folder = feedFolder(config, process.env);
  const stats = statsOf(folder);
  if (process.platform === 'win32' || stats === undefined) return undefined;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  const what = `${folder} keeps the state of the feed and has the mode ${mode}`;
  // The folder of the configuration is there for others to look into: what is in it has a mode of its own.
  if (folder === dirname(config.file)) {
    if ((stats.mode & OTHERS_WRITE) === 0) return undefined;
    return `${what}, so that every account can put another one in its place: chmod o-w ${folder}, or set feeds.state-dir`;
  }
  return (stats.mode & NOT_OWNER) === 0 ? undefined : `${what}, which lets others in: chmod 700 ${folder}`;
}

/** Throws as `loadPeerTrust`. */
function trustWarnings(file: string | undefined): readonly string[] {
  if (file === undefined) return [];
  const certificates = loadCertificates([file]);
  return validityWarnings(
    file,
    certificates.map(({ summary }) => summary),
  );
}

/** Undefined where the file cannot be read, which was told of already. */
function addressOf({ url }: FeedQueueConfig): BrokerAddress | undefined {
  if (troubleOf(() => readSecret(url, '')) !== undefined) return undefined;
  const text = readSecret(url, '');
  return text === undefined ? undefined : parseBrokerUrl(text);
}

function clearTextProblem(broker: BrokerAddress | undefined): string | undefined {
  if (broker?.protocol !== 'amqp' || /^(?:127(?:\.\d+){3}|::1|localhost)$/.test(broker.hostname)) return undefined;
  return 'feeds.queue.url: amqp: whoever is on the way to the broker can read its password and have any address blocked; use amqps://';
}

function secretsOf({ guardDuty, smc, queue }: FeedsConfig): readonly Named[] {
  const named = (what: string, secret: SecretConfig | undefined, path: RawPath, flat: string): Named => {
    const isFile = secret?.file !== undefined;
    const last = `${String(path.at(-1))}${isFile ? '-file' : ''}`;
    return { what, secret, path: ['feeds', ...path.slice(0, -1), last], flat: `${flat}${isFile ? '_file' : ''}` };
  };
  return [
    named('the token of the feed', guardDuty?.token, ['guardduty', 'token'], 'token'),
    named('the HMAC key of the feed', guardDuty?.hmacKey, ['guardduty', 'hmac-key'], 'hmac_key'),
    named('the API key of the SMC', smc?.apiKey, ['smc', 'api-key'], 'smc_api_key'),
    named('the address of the broker', queue.url, ['queue', 'url'], 'queue_url'),
  ];
}

function troubleOf(load: () => unknown): string | undefined {
  try {
    load();
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ message }) => message).join('; ');
    if (error instanceof TlsMaterialError || error instanceof RuntimeError) return messageOf(error);
    throw error;
  }
}

/** Undefined: it is not there, as standard input, or what was removed since it was read, or may not be looked at. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
