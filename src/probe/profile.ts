import type { Field } from '../icap/field.ts';

export type ModMethod = 'REQMOD' | 'RESPMOD';

export type ProfileName = 'reqmod' | 'respmod' | 'symantec' | 'forcepoint' | 'kata' | 'ddan';

/** How the clients of one product ask. */
export interface ProbeProfile {
  /** Used unless another one is asked for. */
  readonly method: ModMethod;
  /** Used where the URL has none. */
  readonly paths: Readonly<Record<ModMethod, string>>;
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

export const PROFILES: Readonly<Record<ProfileName, ProbeProfile>> = {
  reqmod: { method: 'REQMOD', paths: GENERIC_PATHS, fields: () => [] },
  respmod: { method: 'RESPMOD', paths: GENERIC_PATHS, fields: () => [] },
  symantec: {
    method: 'REQMOD',
    paths: GENERIC_PATHS,
    fields: (address) => [clientIp(address), authenticatedUser('Local://icapgw-probe')],
  },
  forcepoint: {
    method: 'REQMOD',
    paths: GENERIC_PATHS,
    fields: (address) => [clientIp(address), authenticatedUser('Local://icapgw-probe')],
  },
  // A REQMOD is judged by its URL there, a file only in a RESPMOD.
  kata: {
    method: 'RESPMOD',
    paths: { REQMOD: '/av/reqmod', RESPMOD: '/av/respmod' },
    fields: (address) => [clientIp(address), { name: 'X-Client-Username', value: 'icapgw-probe' }],
  },
  ddan: {
    method: 'REQMOD',
    paths: { REQMOD: '/request', RESPMOD: '/response' },
    fields: (address) => [clientIp(address)],
  },
};
