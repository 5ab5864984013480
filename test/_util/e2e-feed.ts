import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { SpawnedGateway } from './e2e-gateway.ts';

/** The event that users are told to test with, byte for byte: it is about 198.51.100.0. */
export const GUIDE_EVENT: string = readFileSync(
  new URL('../../deploy/aws/events/guide-test.json', import.meta.url),
  'utf8',
);
export const GUIDE_ADDRESS = '198.51.100.0';
export const GUIDE_THREAT = 'guardduty:UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom';

/** `feeds:` of a gateway that takes findings on a free port and keeps them in a folder. */
export function feedsIn(folder: string, more: object = {}): object {
  return { 'state-dir': folder, guardduty: { host: '127.0.0.1', port: 0 }, ...more };
}

/** A finding about an address, as a bare one. */
export function findingOf(address: string): string {
  const remoteIpDetails = { [address.includes(':') ? 'ipAddressV6' : 'ipAddressV4']: address };
  return JSON.stringify({
    type: 'Recon:EC2/Portscan',
    service: { action: { networkConnectionAction: { remoteIpDetails } } },
  });
}

/** Posts a finding to the feed of a gateway and returns status and body of the answer. */
export async function postFinding(gateway: SpawnedGateway, body: string): Promise<readonly [number, string]> {
  const { address } = await gateway.waitForEvent('feed-listening');
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(`http://${address}/api/`, { method: 'POST', headers, body });
  return [response.status, await response.text()];
}

/** Settings of a service that believes its test which address it comes from. */
export const BELIEVES_CLIENTS: object = { 'proxy-protocol': { accept: 'v1', from: ['127.0.0.1'] } };

/** Connects as if from another address; the caller ends it. It has an error listener. */
export async function dialFrom(source: string, port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  socket.on('error', () => socket.destroy());
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()).once('close', () => resolve()));
  const family = source.includes(':') ? 'TCP6' : 'TCP4';
  socket.write(`PROXY ${family} ${source} ${family === 'TCP6' ? '::1' : '127.0.0.1'} 1000 2000\r\n`);
  return socket;
}

/** Whether a connection from there is closed without a byte; else it stays open for a moment and is cut by us. */
export async function isTurnedAway(source: string, port: number, request: string | Buffer): Promise<boolean> {
  const socket = await dialFrom(source, port);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('data', () => resolve(false));
  socket.once('end', () => resolve(true));
  socket.once('close', () => resolve(true));
  socket.write(request);
  const isAway = await promise;
  socket.destroy();
  return isAway;
}
