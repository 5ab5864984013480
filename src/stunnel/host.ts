/**
 * As whom a stunnel.conf is read: `run` stays in the foreground and logs to standard error whatever the file says about
 * that, `stunnel` does what stunnel does.
 */
export type StunnelHost = 'run' | 'stunnel';

/** `yes`: stay, and log to standard error too. `quiet`: stay. `no`: leave the terminal once everything works. */
export type Foreground = 'yes' | 'quiet' | 'no';
