import { canonicalAddress } from '../canonical-address.ts';
import type { Indicator } from '../contract/indicator.ts';

/** A body that is no report of findings. The message is one line, and repeats nothing of the body but names of keys. */
export class FindingError extends Error {}

/** What a report says, once it is known to be one. */
export interface Report {
  readonly found: readonly Indicator[];
  /** Addresses of findings that count for nothing. */
  readonly archived: number;
  readonly belowSeverity: number;
}

interface Finding {
  readonly type: string;
  readonly addresses: readonly string[];
  readonly isArchived: boolean;
  /** Undefined: the finding does not say, and counts. */
  readonly severity: number | undefined;
}

type Mapping = Readonly<Record<string, unknown>>;

/** Actions with one remote side. What else there is (DNS requests, kinds of later years) names no address. */
const REMOTE_ACTIONS = [
  'awsApiCallAction',
  'networkConnectionAction',
  'rdsLoginAttemptAction',
  'kubernetesApiCallAction',
] as const;

const MAX_TYPE_LENGTH = 200;

/**
 * Reads a decoded JSON body: what the original exporter posts, an EventBridge event, a bare finding, or a list of them.
 * Never looks at what is the owner's: `resource`, `localIpDetails`. Throws `FindingError` for everything else, all or
 * nothing.
 */
export function readReport(body: unknown, minSeverity: number): Report {
  const items: readonly unknown[] = Array.isArray(body) ? body : [body];
  if (items.length === 0) throw new FindingError('the list is empty');
  const findings = items.map((item, index) => readItem(item, Array.isArray(body) ? `[${index}]` : 'the body'));
  let [archived, belowSeverity] = [0, 0];
  const found: Indicator[] = [];
  for (const { type, addresses, isArchived, severity } of findings) {
    if (isArchived) archived += addresses.length;
    else if (severity !== undefined && severity < minSeverity) belowSeverity += addresses.length;
    else for (const address of addresses) found.push({ address, type });
  }
  return { found, archived, belowSeverity };
}

function readItem(item: unknown, where: string): Finding {
  if (!isMapping(item)) throw new FindingError(`${where} is not a finding`);
  if (Object.hasOwn(item, 'remote_ip')) return readExport(item, where);
  const detail = pick(item, 'detail');
  if (detail === undefined) return readFinding(item, where);
  if (!isMapping(detail)) throw new FindingError(`${where}: detail is not a finding`);
  return readFinding(detail, where);
}

/** `{event_type, remote_ip, timestamp, domain}` */
function readExport(item: Mapping, where: string): Finding {
  const address = readAddress(item['remote_ip'], `${where}: remote_ip`);
  return { type: readType(item['event_type']), addresses: [address], isArchived: false, severity: undefined };
}

function readFinding(finding: Mapping, where: string): Finding {
  const service = pick(finding, 'service');
  const type = pick(finding, 'type');
  if (!isMapping(service) && (service !== undefined || typeof type !== 'string')) {
    throw new FindingError(`${where} is not a finding`);
  }
  const severity = pick(finding, 'severity');
  return {
    type: readType(type),
    addresses: [...new Set(isMapping(service) ? readAction(service, where) : [])],
    isArchived: isMapping(service) && pick(service, 'archived') === true,
    severity: typeof severity === 'number' ? severity : undefined,
  };
}

function readAction(service: Mapping, where: string): string[] {
  const action = pickMapping(service, 'action', where);
  if (action === undefined) return [];
  // Collected as lists: a report may hold more addresses than a call takes arguments.
  const lists: (readonly string[])[] = [];
  for (const name of REMOTE_ACTIONS) {
    const container = pickMapping(action, name, where);
    if (container === undefined) continue;
    lists.push(readRemote(container, `${where}: ${name}`));
    if (name === 'kubernetesApiCallAction') lists.push(readSources(container, where));
  }
  const probe = pickMapping(action, 'portProbeAction', where);
  for (const detail of probe === undefined ? [] : pickList(probe, 'portProbeDetails', where)) {
    if (!isMapping(detail)) throw new FindingError(`${where}: portProbeDetails holds what is no mapping`);
    lists.push(readRemote(detail, `${where}: portProbeDetails`));
  }
  return lists.flat();
}

function readRemote(container: Mapping, where: string): string[] {
  const remote = pickMapping(container, 'remoteIpDetails', where);
  if (remote === undefined) return [];
  return ['ipAddressV4', 'ipAddressV6'].flatMap((name) => {
    const value = pick(remote, name);
    // Which family there is not is left out, or left empty.
    return value === undefined || value === '' ? [] : [readAddress(value, `${where}.remoteIpDetails.${name}`)];
  });
}

function readSources(container: Mapping, where: string): string[] {
  const name = ['sourceIPs', 'sourceIps'].find((each) => pick(container, each) !== undefined);
  if (name === undefined) return [];
  return pickList(container, name, where).map((value) => readAddress(value, `${where}: ${name}`));
}

function readAddress(value: unknown, where: string): string {
  const address = typeof value === 'string' ? canonicalAddress(value) : undefined;
  if (address === undefined) throw new FindingError(`${where} is not an IP address`);
  return address;
}

/** For logs and for people: one word, whatever a sender makes of it. */
function readType(value: unknown): string {
  if (typeof value !== 'string' || value === '') return 'unknown';
  return value.slice(0, MAX_TYPE_LENGTH).replaceAll(/[^\x21-\x7e]+/g, '_');
}

/** A key as EventBridge writes it, or as the SDK does. What is null is not there. */
function pick(mapping: Mapping, name: string): unknown {
  for (const spelling of [name, `${name.charAt(0).toUpperCase()}${name.slice(1)}`]) {
    const value = Object.hasOwn(mapping, spelling) ? mapping[spelling] : undefined;
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

function pickMapping(mapping: Mapping, name: string, where: string): Mapping | undefined {
  const value = pick(mapping, name);
  if (value === undefined || isMapping(value)) return value;
  throw new FindingError(`${where}: ${name} is not a mapping`);
}

function pickList(mapping: Mapping, name: string, where: string): readonly unknown[] {
  const value = pick(mapping, name) ?? [];
  if (Array.isArray(value)) return value;
  throw new FindingError(`${where}: ${name} is not a list`);
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
