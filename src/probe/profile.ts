import type { Field } from '../icap/field.ts';

export type ModMethod = 'REQMOD' | 'RESPMOD';

/** In the order of the help text: any server, what stands behind a gateway, and who stands in front of it. */
export const PROFILE_NAMES = [
  'reqmod',
  'respmod',
  'symantec',
  'forcepoint',
  'kata',
  'ddan',
  'clamav',
  'mcas',
  'zscaler',
  'umbrella',
  'forcepoint-one',
  'fortigate',
  'f5',
  'squid',
] as const;

export type ProfileName = (typeof PROFILE_NAMES)[number];

/** By ICAP status: why there is no verdict, and what to try. */
export type StatusAdvice = Readonly<Record<number, string>>;

/** How the clients of one product ask. */
export interface ProbeProfile {
  /** Used unless another one is asked for. */
  readonly method: ModMethod;
  /** Used where the URL has none. */
  readonly paths: Readonly<Record<ModMethod, string>>;
  /** F5 BIG-IP sends no Host unless it is told to. */
  readonly saysHost: boolean;
  /** What a status means at that product; where it has nothing of its own the general advice holds. */
  readonly advice: StatusAdvice;
  /** Header fields beside those of the protocol. `clientAddress` is the probe's own. */
  fields(clientAddress: string): readonly Field[];
}

const GENERIC_PATHS = { REQMOD: '/reqmod', RESPMOD: '/respmod' } as const;

function clientIp(address: string): Field {
  return { name: 'X-Client-IP', value: address };
}

/** ProxySG and its relatives send users as a base64 URI. */
function authenticatedUser(uri: string): Field {
  return { name: 'X-Authenticated-User', value: Buffer.from(uri).toString('base64') };
}

function clientAndUser(address: string): readonly Field[] {
  return [clientIp(address), authenticatedUser('Local://icapgw-probe')];
}

/** A client that says nothing beside what ICAP asks for, as far as is known. */
const PLAIN: ProbeProfile = { method: 'REQMOD', paths: GENERIC_PATHS, saysHost: true, advice: {}, fields: () => [] };

export const PROFILES: Readonly<Record<ProfileName, ProbeProfile>> = {
  reqmod: PLAIN,
  respmod: { ...PLAIN, method: 'RESPMOD' },
  symantec: { ...PLAIN, fields: clientAndUser },
  forcepoint: { ...PLAIN, fields: clientAndUser },
  // A REQMOD is judged by its URL there, a file only in a RESPMOD.
  kata: {
    ...PLAIN,
    method: 'RESPMOD',
    paths: { REQMOD: '/av/reqmod', RESPMOD: '/av/respmod' },
    fields: (address) => [clientIp(address), { name: 'X-Client-Username', value: 'icapgw-probe' }],
  },
  ddan: {
    ...PLAIN,
    paths: { REQMOD: '/request', RESPMOD: '/response' },
    fields: (address) => [clientIp(address)],
  },
  // The alias that Debian's virus_scan.conf gives its service.
  clamav: {
    ...PLAIN,
    method: 'RESPMOD',
    paths: { REQMOD: '/avscan', RESPMOD: '/avscan' },
    advice: {
      404: 'c-icap has no service of this name: virus_scan.conf, which makes /avscan, must be included in c-icap.conf',
      500: 'c-icap runs, and clamd did not scan this: it is dead or still loads its signatures, see the logs of both',
    },
  },
  mcas: PLAIN,
  zscaler: PLAIN,
  umbrella: {
    ...PLAIN,
    fields: (address) => [
      ...clientAndUser(address),
      { name: 'X-Authenticated-Groups', value: Buffer.from('Local://probes').toString('base64') },
    ],
  },
  'forcepoint-one': PLAIN,
  fortigate: {
    ...PLAIN,
    method: 'RESPMOD',
    paths: { REQMOD: '/', RESPMOD: '/' },
    fields: (address) => [
      clientIp(address),
      { name: 'X-Server-IP', value: '192.0.2.1' },
      { name: 'X-Forwarded-Proto', value: 'http' },
      { name: 'X-Scan-Progress-Interval', value: '10' },
    ],
  },
  f5: { ...PLAIN, paths: { REQMOD: '/request', RESPMOD: '/response' }, saysHost: false },
  squid: { ...PLAIN, fields: (address) => [clientIp(address)] },
};
