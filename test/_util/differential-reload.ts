import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type Both, type Programs, playBoth, same } from './differential.ts';
import type { DifferentialClient } from './differential-client.ts';
import type { TunnelProcess } from './stunnel-process.ts';
import type { WireEnd } from './watched-socket.ts';

/** The lines of sections by their names. */
export type Sections = Readonly<Record<string, readonly string[]>>;

/** Both programs with a section `icap`, which leads to somebody who says `first`, and repeats what is said to him. */
export interface ReloadRig {
  readonly programs: Programs;
  /** A `connect` line to that one, and to another like him who says `second`. */
  readonly first: string;
  readonly second: string;
  textOf(sections: Sections): string;
  dial(port: number): DifferentialClient;
}

export async function reload({ programs, textOf }: ReloadRig, sections: Sections): Promise<Both<'taken' | 'refused'>> {
  return await playBoth(programs, (program) => program.reload(textOf(sections)));
}

/** A client that has heard from the other side. */
export async function settle(client: DifferentialClient): Promise<DifferentialClient> {
  await expect.poll(() => client.text).not.toBe('');
  return client;
}

/** Clients of the service that have heard from the other side. */
export async function settleBoth(rig: ReloadRig, service: string): Promise<Both<DifferentialClient>> {
  return await playBoth(rig.programs, ({ portOf }) => settle(rig.dial(portOf(service))));
}

/** What a client hears in all when it says one thing more, and how its connection ends when it has finished. */
export async function say(client: DifferentialClient, text: string): Promise<string> {
  client.socket.write(text);
  await client.receive(text);
  client.socket.end();
  return `${client.text} ${await client.ended()}`;
}

/** `say` for the clients of both. */
export async function sayBoth({ stunnel, icapgw }: Both<DifferentialClient>, text: string): Promise<Both<string>> {
  return { stunnel: await say(stunnel, text), icapgw: await say(icapgw, text) };
}

/** What clients of the service hear first; nothing where they are turned away. */
export async function greetings(rig: ReloadRig, service: string): Promise<Both<string>> {
  return await playBoth(rig.programs, async ({ portOf }) => {
    const client = rig.dial(portOf(service));
    const { promise, resolve } = Promise.withResolvers<void>();
    client.socket.once('data', () => resolve()).once('close', () => resolve());
    client.socket.once('end', () => client.socket.end());
    await promise;
    client.socket.destroy();
    return client.text;
  });
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
  const refused = await promise;
  socket.destroy();
  return refused;
}

async function portsOf({ programs }: ReloadRig, service: string): Promise<Both<number>> {
  return await playBoth(programs, async ({ portOf }) => portOf(service));
}

/** What the program has said since `from` that stunnel's users look for at a reload, without what differs in each run. */
function saidSince({ log, path }: TunnelProcess, from: number): string[] {
  return log
    .slice(from)
    .map((line) =>
      line
        .replace(/^.* (LOG\d)\[[^\]]*\]: /, '$1 ')
        .replace(path, 'FILE')
        .replace(/ \(FD=\d+\)/, '')
        .replace(/:\d+$/, ':PORT')
        .replace(/^(LOG3 FILE:)\d+: .*$/, '$1LINE'),
    )
    .filter((line) => SAID.test(line));
}

const SAID =
  /^LOG\d (?:Reading configuration|FIPS mode|Configuration |Service \[.*\] bound|Failed to reload|FILE:LINE|Terminated)/;

/** What a reload does in either mode. `orderly` is how a connection ends where nothing is wrong. */
export function describeReload(
  rig: () => ReloadRig,
  orderly: WireEnd,
  mistakes: Readonly<Record<string, readonly string[]>>,
): void {
  describe('SIGHUP, in either mode', () => {
    test('new connections go where the new file says, and those that were open go on', async () => {
      const open = await settleBoth(rig(), 'icap');
      expect(await reload(rig(), { icap: [rig().second] })).toEqual(same('taken'));
      expect(await greetings(rig(), 'icap')).toEqual(same('second'));
      expect(await sayBoth(open, ' still')).toEqual(same(`first still ${orderly}`));
    });

    test.each([
      ['an option that nobody knows', ['bogus = 1']],
      ['a value that is wrong', ['TIMEOUTidle = soon']],
      ['a certificate that is not there', ['cert = /nowhere.pem']],
      ['verification without a CA', ['verifyChain = yes']],
      ...Object.entries(mistakes),
    ])('a file with a mistake changes nothing: %s', async (_, lines) => {
      const open = await settleBoth(rig(), 'icap');
      expect(await reload(rig(), { icap: [rig().second, ...lines] })).toEqual(same('refused'));
      expect(await greetings(rig(), 'icap')).toEqual(same('first'));
      expect(await sayBoth(open, ' still')).toEqual(same(`first still ${orderly}`));
    });

    test('a section without connect changes nothing', async () => {
      expect(await reload(rig(), { icap: [rig().second], more: [] })).toEqual(same('refused'));
      expect(await greetings(rig(), 'icap')).toEqual(same('first'));
    });

    test('a section comes and goes, and what it had open goes on', async () => {
      const { first, second } = rig();
      expect(await reload(rig(), { icap: [first], more: [second] })).toEqual(same('taken'));
      const open = await settleBoth(rig(), 'more');
      const { stunnel, icapgw } = await portsOf(rig(), 'more');
      expect(await reload(rig(), { icap: [first] })).toEqual(same('taken'));
      expect({ stunnel: await isRefused(stunnel), icapgw: await isRefused(icapgw) }).toEqual(same(true));
      expect(await greetings(rig(), 'icap')).toEqual(same('first'));
      expect(await sayBoth(open, ' still')).toEqual(same(`second still ${orderly}`));
    });

    test.each([
      ['that can be used', [], ['LOG5 Configuration successful', 'LOG6 Service [icap] bound to 127.0.0.1:PORT']],
      [
        'that cannot',
        ['bogus = 1'],
        ['LOG3 FILE:LINE', 'LOG3 Configuration failed', 'LOG3 Failed to reload the configuration file'],
      ],
    ])('the log tells of a file %s in the same lines', async (_, lines, told) => {
      const both = await playBoth(rig().programs, async (program) => {
        const from = program.log.length;
        await program.reload(rig().textOf({ icap: [rig().first, ...lines] }));
        const last = told.at(-1) ?? '';
        await expect.poll(() => saidSince(program, from)).toContain(last);
        return saidSince(program, from);
      });
      expect(both).toEqual(same(['LOG5 Reading configuration from file FILE', 'LOG5 FIPS mode disabled', ...told]));
    });
  });

  test('a listener that stays is never closed, on purpose: stunnel binds anew, here to another port', async () => {
    const before = await portsOf(rig(), 'icap');
    expect(await reload(rig(), { icap: [rig().second] })).toEqual(same('taken'));
    const after = await portsOf(rig(), 'icap');
    expect(after.icapgw).toBe(before.icapgw);
    expect(after.stunnel).not.toBe(before.stunnel);
  });
}
