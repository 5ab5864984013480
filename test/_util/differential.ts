import { certificates } from './certificates.ts';
import { type GatewayLog, startGatewayAsStunnel } from './differential-gateway.ts';
import { startStunnel, type TunnelProcess } from './stunnel-process.ts';

/** What either program did with the same text and the same clients. */
export interface Both<T> {
  readonly stunnel: T;
  readonly icapgw: T;
}

/** stunnel and icapgw, running side by side with the same text. */
export interface Programs extends Both<TunnelProcess>, AsyncDisposable {}

/** A section for each entry, all accepting on a port of their own with the laboratory's certificate. */
export function configText(
  services: Readonly<Record<string, readonly string[]>>,
  ...globals: readonly string[]
): string {
  const sections = Object.entries(services).map(([name, lines]) => {
    const cert = lines.some((line) => line.startsWith('cert ')) ? [] : [`cert = ${certificates().server.combined}`];
    return [`[${name}]`, 'accept = 127.0.0.1:0', ...cert, ...lines].join('\n');
  });
  return `${[...globals, ...sections].join('\n')}\n`;
}

/** The same for sections that take clear text in and speak TLS to their servers. */
export function clientConfigText(services: Readonly<Record<string, readonly string[]>>): string {
  const sections = Object.entries(services).map(([name, lines]) =>
    [`[${name}]`, 'accept = 127.0.0.1:0', ...lines].join('\n'),
  );
  return `${['client = yes', ...sections].join('\n')}\n`;
}

export async function startBoth(text: string, log: GatewayLog = 'json'): Promise<Programs> {
  const stunnel = await startStunnel(text);
  const icapgw = await startGatewayAsStunnel(text, log).catch(async (error: unknown) => {
    await stunnel[Symbol.asyncDispose]();
    throw error;
  });
  return {
    stunnel,
    icapgw,
    async [Symbol.asyncDispose]() {
      await stunnel[Symbol.asyncDispose]();
      await icapgw[Symbol.asyncDispose]();
    },
  };
}

/** Plays the same against stunnel and then against icapgw, so that they can share a backend. */
export async function playBoth<T>(
  programs: Both<TunnelProcess>,
  play: (one: TunnelProcess) => Promise<T>,
): Promise<Both<T>> {
  return { stunnel: await play(programs.stunnel), icapgw: await play(programs.icapgw) };
}

/** What a test expects where the two do not differ. */
export function same<T>(expected: T): Both<T> {
  return { stunnel: expected, icapgw: expected };
}
