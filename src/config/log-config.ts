import type { LogLevel } from './config.ts';

export type LogFormat = 'text' | 'json' | 'stunnel';

export type SyslogFacility =
  | 'auth'
  | 'authpriv'
  | 'cron'
  | 'daemon'
  | 'ftp'
  | 'kern'
  | 'lpr'
  | 'mail'
  | 'news'
  | 'syslog'
  | 'user'
  | 'uucp'
  | `local${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}`;

export interface SyslogConfig {
  readonly facility: SyslogFacility;
  /** What messages begin with. */
  readonly ident: string;
  /** Where the syslog daemon of this machine listens. */
  readonly socket: string;
}

/** How stunnel's log lines name a connection. */
export type ConnectionId = 'sequential' | 'unique' | 'process';

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** `-` is standard error, `off` nowhere. */
  readonly file: string;
  /** Whether the log goes to standard error beside its file. */
  readonly stderr: boolean;
  /** Undefined: nothing goes there. */
  readonly syslog: SyslogConfig | undefined;
  /** Only for the format of stunnel. */
  readonly connectionId: ConnectionId;
  /** Whether opening truncates (stunnel's `log = overwrite`). */
  readonly overwrite: boolean;
  /** `off`, `-` (standard output) or a path. */
  readonly access: string;
  readonly accessFormat: 'json' | 'squid';
}
