import { formatAddress, isLocal } from '../address.ts';
import type { Address, ServiceConfig } from '../config.ts';
import type { Place } from '../report.ts';
import type { Settings } from '../schema/root-schema.ts';
import { show } from '../show.ts';
import { feedPlace } from './feed-rule.ts';

/** One thing that will listen, and where it is written. */
interface Listener {
  readonly owner: string;
  readonly address: Address;
  readonly ipv6Only: boolean;
  readonly place: Place;
}

/** Whether everything that listens can, and whether the admin endpoint is out of strangers' reach. */
export function checkListeners(settings: Settings, root: Place): void {
  const listeners = root
    .at('services')
    .pair(settings.services)
    .flatMap(([service, place]) => listenersOf(service, place));
  const { admin } = settings;
  if (admin.listen !== 'off') {
    const place = root.at('admin', 'listen');
    const mayLackToken = isLocal(admin.listen) || place.failed || root.at('admin', 'token-file').failed;
    if (admin.tokenFile === undefined && !mayLackToken) {
      place.error(
        `${formatAddress(admin.listen)} can be reached from elsewhere; add token-file, or listen on 127.0.0.1`,
      );
    }
    // A default address that is taken is given up at start, so only one that was asked for can conflict.
    if (admin.explicit) listeners.push({ owner: 'the admin endpoint', address: admin.listen, ipv6Only: false, place });
  }
  const guardDuty = settings.feeds?.guardDuty;
  if (guardDuty !== undefined) {
    const { host, port } = guardDuty;
    const place = feedPlace(root, 'guardduty.port');
    listeners.push({ owner: 'the threat feed', address: { kind: 'tcp', host, port }, ipv6Only: false, place });
  }
  checkConflicts(listeners);
  checkStandardClients(settings, root);
}

/** The process is over when the connection is, whoever else is served. */
function checkStandardClients({ services }: Settings, root: Place): void {
  if (services.length < 2) return;
  for (const [{ listen }, place] of root.at('services').pair(services)) {
    if (!listen.some(({ kind }) => kind === 'stdio')) continue;
    place.at('listen').error('"-" is for a configuration with one service: the process ends with that connection');
  }
}

function listenersOf({ name, listen, sockets }: ServiceConfig, place: Place): Listener[] {
  const owner = `service ${show(name)}`;
  // The items are those that were accepted; after a refused one the indexes no longer fit, the line of the list does.
  const single = place.at('listen').failed || listen.length === 1;
  return listen.map((address, index) => ({
    owner,
    address,
    ipv6Only: sockets.ipv6Only,
    place: single ? place.at('listen') : place.at('listen', index),
  }));
}

function checkConflicts(listeners: readonly Listener[]): void {
  const taken = new Map<string, Listener>();
  for (const listener of listeners) {
    const keys = claims(listener);
    const other = keys.map((key) => taken.get(key)).find((owner) => owner !== undefined);
    if (other !== undefined) {
      listener.place.error(
        `${formatAddress(listener.address)} is already used by ${other.owner} in line ${other.place.line}`,
      );
    }
    for (const key of keys) taken.set(key, taken.get(key) ?? listener);
  }
  for (const listener of listeners) warnAboutWildcard(listener, taken);
}

// A wildcard and one of its addresses can both listen: the system gives the narrow one what is meant for it.
function warnAboutWildcard({ address, place, owner }: Listener, taken: ReadonlyMap<string, Listener>): void {
  if (address.kind !== 'tcp' || WILDCARDS.has(address.host)) return;
  const wide = taken.get(`${address.host.includes(':') ? '::' : '0.0.0.0'}:${address.port}`);
  if (wide !== undefined) {
    place.warn(
      `${formatAddress(address)} is also covered by ${formatAddress(wide.address)} of ${wide.owner} in line ` +
        `${wide.place.line}; what comes to this address goes to ${owner}`,
    );
  }
}

const WILDCARDS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::']);

// What a listener takes for itself. Port 0 takes nothing: it is another port each time.
function claims({ address, ipv6Only }: Listener): readonly string[] {
  if (address.kind === 'unix') return [`unix:${address.path}`];
  // It is started for each service of its own.
  if (address.kind === 'exec' || address.kind === 'stdio') return [];
  const { host, port } = address;
  if (port === 0) return [];
  const takesBoth = (host === '' || host === '::') && !ipv6Only;
  if (takesBoth) return [`0.0.0.0:${port}`, `:::${port}`];
  return [`${host === '' ? '::' : host.toLowerCase()}:${port}`];
}
