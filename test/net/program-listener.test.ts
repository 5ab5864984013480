import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { ListenerOwner } from '../../src/net/listener.ts';
import type { Program } from '../../src/net/program.ts';
import { ProgramListener } from '../../src/net/program-listener.ts';

/** Plays the service: each connection is read to its end and closed. */
function listen(script: string, restartMs: number | undefined) {
  const said: string[] = [];
  const programs: Program[] = [];
  const errors: Error[] = [];
  const owner: ListenerOwner = {
    onConnection: (socket: Socket) => {
      text(socket).then((all) => {
        said.push(all);
        socket.end();
      });
    },
    onError: (error) => errors.push(error),
  };
  const program = script.startsWith('/') ? script : '/bin/sh';
  const args = ['sh', '-c', script];
  const listener = new ProgramListener({
    ...owner,
    address: { kind: 'exec', program, args },
    restartMs: () => restartMs,
    onStart: (each) => programs.push(each),
  });
  return { listener, said, programs, errors };
}

test('a program is started by the first call only while it runs', async () => {
  const { listener, said, programs } = listen('echo $$', undefined);
  expect(programs).toHaveLength(0);
  listener.wake();
  listener.wake();
  await expect.poll(() => said).toHaveLength(1);
  expect(said).toEqual([`${programs[0]?.pid}\n`]);
  await expect
    .poll(() => {
      listener.wake();
      return said.length;
    })
    .toBe(2);
  await listener[Symbol.asyncDispose]();
});

test('a program that is to be started again is, once it has ended and its connection with it', async () => {
  const { listener, said, programs } = listen('echo $$', 1);
  listener.wake();
  await expect.poll(() => said.length).toBeGreaterThanOrEqual(3);
  await listener[Symbol.asyncDispose]();
  expect(new Set(programs.map(({ pid }) => pid)).size).toBe(programs.length);
});

test('nothing is started when the listener is closed', async () => {
  const { listener, programs } = listen('echo $$', 1);
  await listener[Symbol.asyncDispose]();
  listener.wake();
  expect(programs).toHaveLength(0);
});

test('a program that cannot be started is told of, and tried again where it is to be started again', async () => {
  const { listener, errors } = listen('/nonexistent/program', 1);
  listener.wake();
  await expect.poll(() => errors.length).toBeGreaterThanOrEqual(2);
  await listener[Symbol.asyncDispose]();
  expect(errors[0]?.message).toContain('ENOENT');
});
