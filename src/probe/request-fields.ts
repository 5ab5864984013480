import type { Socket } from 'node:net';
import type { Field } from '../icap/field.ts';
import type { ProbeProfile } from './profile.ts';
import { authorityOf, type ProbeTarget } from './target.ts';

/** What a request says besides its content. */
export interface RequestWords {
  readonly target: ProbeTarget;
  readonly profile: ProbeProfile;
  readonly allow204: boolean;
  /** Beside those of the profile, and instead of those with the same name. */
  readonly fields: readonly Field[];
}

/** The header fields of a request on that connection, without those that describe the content. */
export function requestFields({ target, profile, allow204, fields }: RequestWords, socket: Socket): readonly Field[] {
  const own: readonly Field[] = [
    ...(profile.saysHost ? [{ name: 'Host', value: authorityOf(target) }] : []),
    { name: 'User-Agent', value: 'icapgw-probe' },
    ...(allow204 ? [{ name: 'Allow', value: '204' }] : []),
    ...profile.fields(socket.localAddress ?? '127.0.0.1'),
  ];
  const replaced = new Set(fields.map(({ name }) => name.toLowerCase()));
  return [...own.filter(({ name }) => !replaced.has(name.toLowerCase())), ...fields];
}
