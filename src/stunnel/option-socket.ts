import type { ServiceDraft } from './draft.ts';
import { type StunnelOption, serviceOption } from './option.ts';
import type { Setting } from './place.ts';
import { quote, type Report } from './report.ts';
import { readInteger, readWord, store } from './value.ts';

/** Options that Node.js cannot set; the operating system's value stays. */
const MISSED = new Set([
  'SO_DEBUG',
  'SO_DONTROUTE',
  'SO_LINGER',
  'SO_OOBINLINE',
  'SO_RCVBUF',
  'SO_SNDBUF',
  'SO_RCVLOWAT',
  'SO_SNDLOWAT',
  'SO_RCVTIMEO',
  'SO_SNDTIMEO',
  'TCP_KEEPCNT',
  'TCP_KEEPINTVL',
  'IP_TOS',
  'IP_TTL',
  'IP_FREEBIND',
]);

const NO_DELAY_KEYS: Readonly<Record<string, string>> = {
  l: 'sockets.client-no-delay',
  r: 'sockets.backend-no-delay',
};

/** `side:NAME=VALUE`, with the value as a setting of its own so that reports name the inner option. */
interface SocketOption {
  readonly side: string;
  readonly name: string;
  readonly setting: Setting;
}

function readSocketOption(setting: Setting): SocketOption | undefined {
  // Blanks around the inner "=" and lower case are refused as they are in stunnel.
  const [, side, name, value] = /^([alr]):([A-Z0-9_]+)=(.*)$/.exec(setting.value) ?? [];
  if (side === undefined || name === undefined || value === undefined) return undefined;
  return { side, name, setting: { name: `socket ${side}:${name}`, value, place: setting.place } };
}

function readFlag(setting: Setting, report: Report): boolean | undefined {
  const word = readWord(setting, ['yes', 'no', '1', '0'], report);
  return word === undefined ? undefined : word === 'yes' || word === '1';
}

function apply(setting: Setting, draft: ServiceDraft, report: Report): void {
  const option = readSocketOption(setting);
  if (option === undefined) {
    report.invalid(setting, `must look like l:TCP_NODELAY=yes, with a, l or r in front, not ${quote(setting.value)}`);
    return;
  }
  const key = NO_DELAY_KEYS[option.side];
  if (option.name === 'TCP_NODELAY' && key !== undefined) {
    store(draft.values, key, readFlag(option.setting, report), setting);
  } else if (option.name === 'IPV6_V6ONLY' && option.side === 'a') {
    store(draft.values, 'sockets.ipv6-only', readFlag(option.setting, report), setting);
  } else if (option.name === 'SO_KEEPALIVE' && option.side !== 'a') {
    const value = readFlag(option.setting, report);
    if (value !== undefined) draft.keepAlive.set(option.side, value);
  } else if (option.name === 'TCP_KEEPIDLE' && option.side !== 'a') {
    draft.keepAliveIdleSeconds = readInteger(option.setting, 1, 32_767, report) ?? draft.keepAliveIdleSeconds;
  } else {
    tellMissed(option, report);
  }
}

function tellMissed(option: SocketOption, report: Report): void {
  const { side, name, setting } = option;
  if (name === 'SO_BINDTODEVICE') {
    const instead = side === 'a' ? 'listen on the address of that interface' : 'use local = IP and routes';
    report.refuse(setting.place, `${setting.name}: Node.js cannot bind to an interface; ${instead}`);
  } else if (name === 'SO_REUSEADDR') {
    if (readFlag(setting, report) === false) report.warn(setting.place, `${setting.name}: it is always on`);
  } else if (MISSED.has(name) || ['TCP_NODELAY', 'IPV6_V6ONLY', 'SO_KEEPALIVE', 'TCP_KEEPIDLE'].includes(name)) {
    report.warn(setting.place, `${setting.name}: it cannot be set here and keeps the system's value; remove the line`);
  } else {
    report.invalid(setting, 'no such socket option; stunnel -sockets lists them');
  }
}

/** The option that sets options of sockets. */
export const SOCKET_OPTIONS: readonly StunnelOption[] = [
  serviceOption({
    name: 'socket',
    repeats: true,
    rating: 'A',
    verdict: 'same',
    values: 'a|l|r:NAME=VALUE',
    note: 'TCP_NODELAY (l, r), SO_KEEPALIVE and TCP_KEEPIDLE (l, r; for both sides together, and on after a minute where nothing is said), IPV6_V6ONLY (a) and SO_REUSEADDR have their effect; SO_BINDTODEVICE is refused; others pass with a warning',
    apply,
  }),
];
