import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A web server for proxies to fetch from. Disposing cuts its connections. */
export interface HttpOrigin extends AsyncDisposable {
  /** `http://127.0.0.1:40000`, without a slash at the end. */
  readonly url: string;
  /** Bodies that arrived, in order. */
  readonly received: readonly Buffer[];
}

/** Answers a GET of each path of `pages` with that content, a GET of any other with 404, and a POST with `received N`. */
export async function startHttpOrigin(pages: Readonly<Record<string, string | Buffer>> = {}): Promise<HttpOrigin> {
  const received: Buffer[] = [];
  const server = createServer((request, response) => {
    if (request.method === 'POST') {
      buffer(request).then(
        (body) => {
          received.push(body);
          response.end(`received ${body.length}`);
        },
        () => response.destroy(),
      );
      return;
    }
    const page = pages[request.url ?? ''];
    response.statusCode = page === undefined ? 404 : 200;
    response.end(page);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
