import type { FeedsConfig, GuardDutyConfig, SecretConfig, SmcConfig } from '../feed-config.ts';
import type { Place } from '../report.ts';
import type { Settings } from '../schema/root-schema.ts';

/** What the flat file of the connector calls a key below `feeds`. */
const FLAT_NAMES = {
  guardduty: 'host',
  'guardduty.port': 'port',
  'guardduty.token': 'token',
  'guardduty.token-file': 'token_file',
  'guardduty.hmac-key': 'hmac_key',
  'guardduty.hmac-key-file': 'hmac_key_file',
  smc: 'smc_endpoint',
  'smc.endpoint': 'smc_endpoint',
  'smc.api-key': 'smc_api_key',
  'smc.api-key-file': 'smc_api_key_file',
  'smc.ca': 'smc_ca',
  'smc.retry.first': 'retry_first',
  'smc.retry.most': 'retry_most',
  'queue.type': 'queue_url',
  'queue.url': 'queue_url',
  'queue.url-file': 'queue_url',
} as const;

type FeedKey = keyof typeof FLAT_NAMES;

/** Where a document says something about its feeds, in either of its forms. */
export function feedPlace(root: Place, key: FeedKey): Place {
  return isFlat(root) ? root.at(FLAT_NAMES[key]) : root.at('feeds', ...key.split('.'));
}

function isFlat(root: Place): boolean {
  return !root.at('feeds').given;
}

/** What the last part of a key is called where it is written. */
function nameOf(root: Place, key: FeedKey): string {
  return isFlat(root) ? FLAT_NAMES[key] : (key.split('.').at(-1) ?? key);
}

/** Whether what the feed is told goes together, and whether it protects as much as it seems to. */
export function checkFeeds({ feeds }: Settings, root: Place): void {
  if (feeds === undefined) return;
  if (feeds.guardDuty !== undefined) checkGuardDuty(feeds.guardDuty, root);
  if (feeds.smc !== undefined) checkSmc(feeds.smc, root);
  checkQueue(feeds, root);
}

function checkGuardDuty({ token, hmacKey, host, port }: GuardDutyConfig, root: Place): void {
  checkSingle(token, 'guardduty.token', 'guardduty.token-file', root);
  checkSingle(hmacKey, 'guardduty.hmac-key', 'guardduty.hmac-key-file', root);
  if (isSet(token) || isSet(hmacKey) || feedPlace(root, 'guardduty').failed) return;
  const names = `${nameOf(root, 'guardduty.token-file')} or ${nameOf(root, 'guardduty.hmac-key-file')}`;
  feedPlace(root, 'guardduty').warnUnsafe(
    `whoever reaches port ${port} of ${host} can have any address blocked; set ${names}`,
  );
}

function checkSmc({ apiKey, endpoint, ca, retry }: SmcConfig, root: Place): void {
  checkSingle(apiKey, 'smc.api-key', 'smc.api-key-file', root);
  const isKeyRefused = feedPlace(root, 'smc.api-key').failed || feedPlace(root, 'smc.api-key-file').failed;
  if (!isSet(apiKey) && !isKeyRefused) {
    feedPlace(root, 'smc.api-key').error(
      `is missing; make a key in the SMC for an API client, and write it here or name its file in ${nameOf(root, 'smc.api-key-file')}`,
    );
  }
  if (retry.mostMs < retry.firstMs) {
    feedPlace(root, 'smc.retry.most').error(`must not be shorter than ${nameOf(root, 'smc.retry.first')}`);
  }
  if (!endpoint.startsWith('http://')) return;
  if (ca !== undefined) feedPlace(root, 'smc.ca').warn('has no effect: the endpoint is http; write https:// in front');
  if (isLocal(endpoint)) return;
  feedPlace(root, 'smc.endpoint').warnUnsafe(
    'http: the API key crosses the network in clear; enable TLS for the SMC API',
  );
}

function isLocal(endpoint: string): boolean {
  return /^http:\/\/(?:127(?:\.\d+){3}|\[::1\]|localhost)(?::|$)/.test(endpoint);
}

function checkQueue({ queue, guardDuty, smc }: FeedsConfig, root: Place): void {
  const { type, url } = queue;
  checkSingle(url, 'queue.url', 'queue.url-file', root);
  if (type === 'embedded') {
    if (isSet(url)) feedPlace(root, 'queue.url').error('is for a queue of type rabbitmq; set type, or remove it');
    if (guardDuty === undefined && !feedPlace(root, 'guardduty').failed) {
      const what = smc === undefined ? 'nothing' : 'nothing to relay';
      feedPlace(root, 'guardduty').warn(`is missing: ${what} ever comes in; add it, or a queue of type rabbitmq`);
    }
    return;
  }
  if (!isSet(url) && !feedPlace(root, 'queue.url').failed) {
    feedPlace(root, 'queue.url').error('is missing; say where the broker is, such as amqps://broker.example/vhost');
  }
}

function checkSingle(secret: SecretConfig, value: FeedKey, file: FeedKey, root: Place): void {
  if (secret.value === undefined || secret.file === undefined) return;
  feedPlace(root, file).error(`does not go with ${nameOf(root, value)}; keep one of them`);
}

function isSet({ value, file }: SecretConfig): boolean {
  return value !== undefined || file !== undefined;
}
