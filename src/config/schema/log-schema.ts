import { formatAddress, SOCKET_ADDRESS } from '../address.ts';
import { converted, orOff } from '../collection.ts';
import type { AdminConfig, LogLevel, SocketAddress } from '../config.ts';
import { choice, FLAG, file, type Kind, NAME } from '../kind.ts';
import type { LogConfig, SyslogConfig, SyslogFacility } from '../log-config.ts';
import { key, type Mapping, mapping, optional, reshaped } from '../mapping.ts';

/** The least important line that is still written. */
export const LOG_LEVEL: Kind<LogLevel> = choice('debug', 'info', 'notice', 'warning', 'error');

const FACILITY: Kind<SyslogFacility> = choice(
  ...(['auth', 'authpriv', 'cron', 'daemon', 'ftp', 'kern', 'lpr', 'mail', 'news', 'syslog', 'user', 'uucp'] as const),
  ...(['local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'] as const),
);

/** `syslog:` below `log:`. */
const SYSLOG: Mapping<SyslogConfig> = mapping<SyslogConfig>({
  facility: key('facility', FACILITY, 'daemon'),
  ident: key('ident', NAME, 'icapgw'),
  socket: key('socket', file(), '/dev/log'),
});

/** `log:` at the top level. */
export const LOG: Mapping<LogConfig> = mapping<LogConfig>({
  level: key('level', LOG_LEVEL, 'info'),
  format: key('format', choice('text', 'json', 'stunnel'), 'text'),
  file: key('file', file('-', 'off'), '-'),
  stderr: key('stderr', FLAG, false),
  syslog: key('syslog', orOff(SYSLOG), undefined),
  connectionId: key('connection-id', choice('sequential', 'unique', 'process'), 'sequential'),
  overwrite: key('overwrite', FLAG, false),
  access: key('access', file('off', '-'), 'off'),
  accessFormat: key('access-format', choice('json', 'squid'), 'json'),
});

const DEFAULT_ADMIN_LISTEN: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port: 9344 };

interface AdminKeys {
  readonly listen: SocketAddress | 'off' | undefined;
  readonly tokenFile: string | undefined;
}

const ADMIN_LISTEN: Kind<SocketAddress | 'off'> = converted(orOff(SOCKET_ADDRESS), {
  to: (address): SocketAddress | 'off' => address ?? 'off',
  from: (listen) => (listen === 'off' ? undefined : listen),
});

/** `admin:` at the top level. */
export const ADMIN: Mapping<AdminConfig> = reshaped(
  mapping<AdminKeys>({
    listen: optional('listen', ADMIN_LISTEN, formatAddress(DEFAULT_ADMIN_LISTEN)),
    tokenFile: optional('token-file', file()),
  }),
  {
    to: ({ listen, tokenFile }): AdminConfig => ({
      listen: listen ?? DEFAULT_ADMIN_LISTEN,
      explicit: listen !== undefined,
      tokenFile,
    }),
    from: ({ listen, explicit, tokenFile }) => ({ listen: explicit ? listen : undefined, tokenFile }),
  },
);
