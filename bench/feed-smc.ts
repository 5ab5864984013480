import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An SMC with one engine that takes everything, and counts it. */
export interface CountingSmc extends Disposable {
  readonly endpoint: string;
  /** Addresses that the engine was told, each as often as it was told. */
  readonly toldCount: number;
  /** Each once. */
  readonly addressCount: number;
}

/** One of the two directions of an address. */
interface BlockEntry {
  readonly end_point1: { readonly ip_network?: string };
  readonly end_point2: { readonly ip_network?: string };
}

/** Listens on loopback. */
export async function startCountingSmc(): Promise<CountingSmc> {
  let toldCount = 0;
  const addresses = new Set<string>();
  const answers: Readonly<Record<string, unknown>> = {
    '/api': { version: [{ rel: '6.7', href: '/6.7/api' }] },
    '/6.7/api': { entry_point: ['elements', 'logout'].map((rel) => ({ rel, href: `/6.7/${rel}` })) },
    '/6.7/elements': { result: [{ name: 'engine', href: '/6.7/engine' }] },
    '/6.7/engine': { link: [{ rel: 'blacklist', href: '/6.7/engine/blacklist' }] },
  };
  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').replace(/\?.*$/, '');
    let body = '';
    for await (const chunk of request) body += String(chunk);
    if (path.endsWith('/blacklist')) {
      const { entries } = JSON.parse(body) as { entries: readonly BlockEntry[] };
      toldCount += entries.length / 2;
      for (const { end_point1: from, end_point2: to } of entries) addresses.add(from.ip_network ?? to.ip_network ?? '');
    }
    const cookie = path.endsWith('/login') ? { 'Set-Cookie': 'JSESSIONID=bench' } : {};
    response.writeHead(200, { 'Content-Type': 'application/json', ...cookie }).end(JSON.stringify(answers[path] ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get toldCount() {
      return toldCount;
    },
    get addressCount() {
      return addresses.size;
    },
    [Symbol.dispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
