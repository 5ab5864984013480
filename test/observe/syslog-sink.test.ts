import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SyslogSink, type SyslogSinkOptions } from '../../src/observe/syslog-sink.ts';
import { openNotifySocket } from '../_util/notify-socket.ts';
import { createLog } from '../_util/observe-log.ts';

const PATIENT = { timeout: 15_000 };

afterEach(() => vi.unstubAllEnvs());

function openSink(options: Partial<SyslogSinkOptions> & Pick<SyslogSinkOptions, 'socket'>): SyslogSink {
  return new SyslogSink({
    ...{ facility: 'daemon', ident: 'stunnel', onTrouble: () => {}, onRecovered: () => {} },
    ...options,
  });
}

describe('syslog', () => {
  test('gets each message as one datagram, with its priority, the name and the text', async () => {
    await using daemon = await openNotifySocket();
    await using sink = openSink({ socket: daemon.path, facility: 'local3', ident: 'mcas' });
    sink.write(5, 'LOG5[ui]: Configuration successful');
    sink.write(3, `LOG3[7]: ${'x'.repeat(2000)}`);
    // local3 is 19: 19 * 8 + 5 = 157, 19 * 8 + 3 = 155.
    expect(await daemon.waitFor(/successful/)).toMatch(
      /^<157>\w{3} [ \d]\d \d\d:\d\d:\d\d mcas: LOG5\[ui\]: Configuration successful$/,
    );
    expect(await daemon.waitFor(/xxx/)).toMatch(/^<155>.* mcas: LOG3\[7\]: x{2000}$/);
  });

  test('cannot be told another priority by what stands in a message', async () => {
    await using daemon = await openNotifySocket();
    await using sink = openSink({ socket: daemon.path });
    sink.write(6, '<0>forged');
    expect(await daemon.waitFor(/forged/)).toMatch(/^<30>.* stunnel: <0>forged$/);
  });

  test('gets what was written before the end', async () => {
    await using daemon = await openNotifySocket();
    {
      await using sink = openSink({ socket: daemon.path });
      for (let count = 0; count < 100; count += 1) sink.write(5, `line ${count}`);
    }
    await daemon.waitFor(/line 99$/);
    expect(daemon.messages).toHaveLength(100);
  });

  test('that is not there is told once, and gets what waited when it comes', async () => {
    const onTrouble = vi.fn<(detail: string) => void>();
    const folder = mkdtempSync(join(tmpdir(), 'icapgw-syslog-'));
    const socket = join(folder, 'log');
    await using sink = openSink({ socket, onTrouble });
    sink.write(5, 'before it came');
    await vi.waitFor(() => expect(onTrouble).toHaveBeenCalledTimes(1), PATIENT);
    expect(onTrouble.mock.lastCall?.[0]).toMatch(/socket .*: No such file or directory/);
    await using daemon = await openNotifySocket(socket);
    await daemon.waitFor(/before it came$/);
    expect([onTrouble.mock.calls.length, sink.lostCount]).toEqual([1, 0]);
    rmSync(folder, { recursive: true });
  });

  test('is asked for through a logger that goes on when it dies', async () => {
    await using daemon = await openNotifySocket();
    const onTrouble = vi.fn<(detail: string) => void>();
    const folder = mkdtempSync(join(tmpdir(), 'icapgw-logger-'));
    // The first one dies of its first line.
    const script = `#!/bin/sh\nif mkdir ${folder}/died 2>/dev/null; then read line; kill -9 $$; fi\nexec /usr/bin/logger "$@"\n`;
    writeFileSync(join(folder, 'logger'), script, { mode: 0o755 });
    vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`);
    await using sink = openSink({ socket: daemon.path, onTrouble });
    sink.write(5, 'heard twice');
    await vi.waitFor(() => expect(onTrouble).toHaveBeenCalledExactlyOnceWith('logger ended with SIGKILL'), PATIENT);
    await daemon.waitFor(/heard twice$/);
    rmSync(folder, { recursive: true });
  });

  test('without a logger is trouble, and what comes beyond a mebibyte is lost and counted', async () => {
    const onTrouble = vi.fn<(detail: string) => void>();
    vi.stubEnv('PATH', '/nonexistent');
    await using sink = openSink({ socket: '/nonexistent/log', onTrouble });
    await vi.waitFor(() => expect(onTrouble).toHaveBeenCalledExactlyOnceWith('spawn logger ENOENT'), PATIENT);
    for (let count = 0; count < 1100; count += 1) sink.write(5, 'x'.repeat(1000));
    expect(sink.lostCount).toBeGreaterThan(50);
    expect(sink.lostCount).toBeLessThan(1100 - 1000);
  });

  test('gets everything through a change of the one who sends', async () => {
    await using daemon = await openNotifySocket();
    const onTrouble = vi.fn<(detail: string) => void>();
    await using sink = openSink({ socket: daemon.path, onTrouble });
    sink.write(5, 'as root');
    sink.renew();
    sink.write(5, 'as nobody');
    await Promise.all([daemon.waitFor(/as root$/), daemon.waitFor(/as nobody$/)]);
    expect([onTrouble.mock.calls, daemon.messages.length]).toEqual([[], 2]);
  });

  test('of the log is told without time and level, beside the file', async () => {
    await using daemon = await openNotifySocket();
    const syslog = { facility: 'daemon', ident: 'icapgw', socket: daemon.path } as const;
    await using file = await createLog({ format: 'stunnel', syslog });
    file.log.log('ready', { services: 1, workers: 1, ms: 1 });
    expect(await daemon.waitFor(/Accepting/)).toMatch(/^<30>.* icapgw: LOG6\[ui\]: Accepting new connections$/);
  });
});
