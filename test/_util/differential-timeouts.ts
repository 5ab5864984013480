import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Programs, playBoth, same } from './differential.ts';
import type { DifferentialClient } from './differential-client.ts';
import type { Sections } from './differential-reload.ts';
import type { WireEnd } from './watched-socket.ts';

/** Both programs with the sections of `timeoutSections`, whose `live` repeats what it is told. */
export interface TimeoutRig {
  readonly programs: Programs;
  dial(port: number): DifferentialClient;
}

/** `live` and `dead` are `connect` lines: to somebody who is there, and to somebody who never answers. */
export function timeoutSections(live: string, dead: string): Sections {
  return {
    connect: ['TIMEOUTconnect = 1', dead],
    'connect, then another': ['TIMEOUTconnect = 1', dead, live],
    'connect at once': ['TIMEOUTconnect = 0', live],
    idle: ['TIMEOUTidle = 1', live],
    'idle, in order': ['TIMEOUTidle = 1', 'reset = no', live],
    'idle at once': ['TIMEOUTidle = 0', live],
    'idle never': ['TIMEOUTidle = -1', live],
  };
}

/** What TIMEOUTconnect and TIMEOUTidle do in either mode. `orderly` is how a connection ends where nothing is wrong. */
export function describeTimeouts(rig: () => TimeoutRig, orderly: WireEnd): void {
  const dial = (service: string) => playBoth(rig().programs, async ({ portOf }) => rig().dial(portOf(service)));

  /** How a client sees its connection to a service end, after a request. */
  const endOf = (service: string) =>
    playBoth(rig().programs, async ({ portOf }) => {
      const client = rig().dial(portOf(service));
      client.socket.write('request');
      return await client.ended();
    });

  /** What a client hears in all, with pauses after each piece it says, and how it ends. */
  const talk = async (service: string, pieces: readonly string[], pauseMs: number) => {
    const clients = await dial(service);
    const talkOf = async (client: DifferentialClient): Promise<string> => {
      for (const piece of pieces) {
        client.socket.write(piece);
        await client.receive(piece);
        await setTimeout(pauseMs);
      }
      client.socket.end();
      const end = await client.ended();
      return `${client.text} ${end}`;
    };
    const [stunnel, icapgw] = await Promise.all([talkOf(clients.stunnel), talkOf(clients.icapgw)]);
    return { stunnel, icapgw };
  };

  describe.concurrent('time runs out alike, in either mode', () => {
    test('TIMEOUTconnect = 1 resets a client whose only address does not answer', async () => {
      expect(await endOf('connect')).toEqual(same('reset'));
    });

    test('TIMEOUTconnect = 1 goes on to the next address', async () => {
      expect(await talk('connect, then another', ['request'], 0)).toEqual(same(`request ${orderly}`));
    });

    test('TIMEOUTconnect = 0 reaches an address that answers at once', async () => {
      expect(await talk('connect at once', ['request'], 0)).toEqual(same(`request ${orderly}`));
    });

    test('TIMEOUTidle = 1 resets a connection on which nothing moves', async () => {
      expect(await endOf('idle')).toEqual(same('reset'));
    });

    test('TIMEOUTidle = 1 with reset = no ends it with FIN', async () => {
      expect(await endOf('idle, in order')).toEqual(same('fin'));
    });

    test('TIMEOUTidle = 1 begins anew with everything that moves', async () => {
      const both = await talk('idle', ['one ', 'two ', 'three ', 'four'], 400);
      expect(both).toEqual(same(`one two three four ${orderly}`));
    });

    test('TIMEOUTidle = 0 ends a connection at its first pause', async () => {
      expect(await endOf('idle at once')).toEqual(same('reset'));
    });

    test('TIMEOUTidle = -1 waits', async () => {
      expect(await talk('idle never', ['before ', 'after'], 1500)).toEqual(same(`before after ${orderly}`));
    });
  });
}
