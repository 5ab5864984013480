import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The service manager's end of sd_notify(3), or a syslog daemon's: a unix datagram socket. */
export interface NotifySocket extends AsyncDisposable {
  readonly path: string;
  /** What came, in order, one entry for each datagram. */
  readonly messages: readonly string[];
  /** The first message that fits, come already or yet to come. */
  waitFor(fits: RegExp): Promise<string>;
}

// Node opens no such sockets, and a datagram may hold line breaks: each is printed as one line of hexadecimal digits.
const RECEIVER = `
  $| = 1;
  my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die "$ARGV[0]: $!";
  print "\\n";
  while (defined $socket->recv(my $message, 65536)) { print unpack("H*", $message), "\\n" }
`;

/** systemd-notify waits for this one to be read; a service manager does not look into it. */
const BARRIER = 'BARRIER=1';

/** At a path of its own where none is given. */
export async function openNotifySocket(wanted?: string): Promise<NotifySocket> {
  const folder = mkdtempSync(join(tmpdir(), 'icapgw-notify-'));
  const path = wanted ?? join(folder, 'notify');
  const receiver = spawn('perl', ['-MIO::Socket::UNIX', '-MSocket', '-e', RECEIVER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(receiver, 'close');
  // A test that ran out of time disposes of nothing: its process has to end all the same.
  process.once('exit', () => receiver.kill());
  receiver.unref();
  if (receiver.stdout instanceof Socket) receiver.stdout.unref();
  const lines = createInterface(receiver.stdout);
  const messages: string[] = [];
  const waiting = new Set<() => void>();
  await Promise.race([
    once(lines, 'line'),
    ended.then(() => Promise.reject(new Error(`perl cannot listen at ${path}`))),
  ]);
  lines.on('line', (line) => {
    const message = Buffer.from(line, 'hex').toString();
    if (message !== BARRIER) messages.push(message);
    for (const look of [...waiting]) look();
  });
  return {
    path,
    messages,
    waitFor(fits) {
      return new Promise((resolve) => {
        const look = (): void => {
          const found = messages.find((message) => fits.test(message));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      receiver.kill();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
