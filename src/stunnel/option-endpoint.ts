import { type AddressOptions, readAddress } from './address.ts';
import { type StunnelOption, serviceOption } from './option.ts';
import { EXEC_OPTIONS } from './option-exec.ts';
import { refusedOption } from './option-foreign.ts';
import type { Placed, Setting } from './place.ts';
import type { Report } from './report.ts';
import { readText, readWord, readYesNo, reportPlaceholder, store } from './value.ts';

/** Protocols that stunnel negotiates before TLS, with what does without that; none of them is ICAP's. */
const NEGOTIATED: ReadonlyMap<string, string> = new Map([
  ['capwin', 'use a port where TLS begins at once'],
  ['capwinctrl', 'use a port where TLS begins at once'],
  ['cifs', 'use a port where TLS begins at once'],
  ['connect', 'name the server itself in connect, and let the network lead there'],
  ['imap', 'use the port where TLS begins at once, usually 993'],
  ['ldap', 'use the port where TLS begins at once, usually 636'],
  ['nntp', 'use the port where TLS begins at once, usually 563'],
  ['pgsql', 'let client and server use sslnegotiation=direct (PostgreSQL 17)'],
  ['pop3', 'use the port where TLS begins at once, usually 995'],
  ['smtp', 'use the port where TLS begins at once, usually 465'],
  ['socks', 'name the server itself in connect, and let the network lead there'],
]);

function addEndpoint(list: Placed<string>[], setting: Setting, options: AddressOptions, report: Report): void {
  if (reportPlaceholder(setting, report)) return;
  const reading = readAddress(setting.value, options);
  if ('problem' in reading) report.invalid(setting, reading.problem);
  else list.push({ value: reading.address, place: setting.place });
}

/** Options about where clients come in and where their data goes. */
export const ENDPOINT_OPTIONS: readonly StunnelOption[] = [
  serviceOption({
    name: 'accept',
    repeats: true,
    rating: 'A',
    verdict: 'same',
    values: '[HOST:]PORT, /path',
    note: 'where to listen; a port alone means every IPv4 address; [::1]:443 is accepted beside ::1:443',
    apply: (setting, draft, report) =>
      addEndpoint(draft.accept, setting, { defaultHost: '0.0.0.0', lowestPort: 0 }, report),
  }),
  serviceOption({
    name: 'connect',
    repeats: true,
    rating: 'A',
    verdict: 'better',
    values: '[HOST:]PORT, /path',
    note: 'backends are health-checked and their names resolved again; a port alone means localhost; a backend named twice weighs twice under failover = rr',
    apply: (setting, draft, report) =>
      addEndpoint(draft.connect, setting, { defaultHost: 'localhost', lowestPort: 1 }, report),
  }),
  serviceOption({
    name: 'failover',
    rating: 'A',
    verdict: 'better',
    values: 'rr, prio',
    note: 'rr spreads connections over the backends that are up, prio uses the first one that is up',
    apply(setting, draft, report) {
      const word = readWord(setting, ['rr', 'prio'], report);
      if (word !== undefined) draft.roundRobin = word === 'rr';
    },
  }),
  serviceOption({
    name: 'client',
    rating: 'A',
    verdict: 'same',
    values: 'yes, no',
    note: 'yes: clear text in, TLS out; whom it talks to is verified as far as verify and its like ask for, and a warning says so where they do not',
    apply(setting, draft, report) {
      const value = readYesNo(setting, report);
      if (value !== undefined) draft.client = { value, place: setting.place };
    },
  }),
  serviceOption({
    name: 'protocol',
    rating: 'B',
    verdict: 'same',
    values: 'proxy, icap',
    note: 'proxy sends a PROXY protocol v1 line to the backend, in server mode only as in stunnel; icap is an addition that asks for icap mode; others, which talk before TLS begins, are refused in both modes',
    instead: 'use a port where TLS begins at once',
    apply(setting, draft, report) {
      const negotiated = setting.value.toLowerCase();
      const instead = NEGOTIATED.get(negotiated);
      if (instead !== undefined) {
        report.refuse(setting.place, `protocol: ${negotiated} is not spoken here; ${instead}`);
        return;
      }
      const word = readWord(setting, ['proxy', 'icap'], report);
      if (word === undefined) return;
      draft.protocol = word === 'icap' ? 'icap' : 'tunnel';
      store(draft.values, 'proxy-protocol.send', word === 'proxy' ? 'v1' : '', setting);
    },
  }),
  serviceOption({
    name: 'local',
    rating: 'B',
    verdict: 'same',
    values: 'HOST, IP',
    note: 'source address of connections to backends; a name is resolved at the start and by a reload',
    apply(setting, draft, report) {
      const host = readText(setting, 'name an address of this machine', report);
      if (host !== undefined) store(draft.values, 'sockets.local-address', host, setting);
    },
  }),
  serviceOption({
    name: 'delay',
    rating: 'B',
    verdict: 'better',
    values: 'yes, no',
    note: 'names of backends are always resolved again when their time is over, and failover = rr stays what it says',
    apply: (setting, _draft, report) => {
      readYesNo(setting, report);
    },
  }),
  serviceOption({
    name: 'redirect',
    repeats: true,
    rating: 'B',
    verdict: 'better',
    values: '[HOST:]PORT, /path',
    note: 'where clients go that show no certificate or one that is not trusted; in the order of failover, health-checked as connect, with a warning. Needs verifyChain or verifyPeer; not in client mode, nor with protocol = icap',
    apply: (setting, draft, report) =>
      addEndpoint(draft.redirect, setting, { defaultHost: 'localhost', lowestPort: 0 }, report),
  }),
  serviceOption({
    name: 'sni',
    rating: 'B',
    verdict: 'better',
    values: 'SERVICE:PATTERN; with client = yes: NAME, or nothing',
    note: 'clients that name such a server where SERVICE listens get this section, with all its TLS options; SERVICE may also come later in the file; in client mode, the name that is sent to the server (the host of the first connect by default), or none',
    apply(setting, draft) {
      draft.sni = { value: setting.value, place: setting.place };
    },
  }),
  refusedOption({
    name: 'transparent',
    scope: 'service',
    values: 'none, source, destination, both',
    harmless: ['none', 'no'],
    note: 'Node.js has no transparent sockets',
    instead: 'use protocol = proxy to tell the backend who the client is',
  }),
  ...EXEC_OPTIONS,
];
