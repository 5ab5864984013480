/** One request and its reply, built once. A peer that understands ICAP may write the heads anew. */
export interface IcapExchange {
  readonly request: Buffer;
  readonly reply: Buffer;
  /** In both directions. */
  readonly hasBody: boolean;
}

const CHUNK_BYTES = 64 * 1_024;

/** `bodyBytes` 0 is OPTIONS; otherwise a REQMOD whose body comes back unchanged in a 200. */
export function icapExchange(bodyBytes: number): IcapExchange {
  return bodyBytes === 0 ? optionsExchange() : reqmodExchange(bodyBytes);
}

/** The body size that a request line asks for: `REQMOD icap://bench/echo-1024 ICAP/1.0`. */
export function bodyBytesOf(requestLine: string): number {
  return Number(/\/echo-(\d+) /.exec(requestLine)?.[1] ?? 0);
}

function optionsExchange(): IcapExchange {
  return {
    request: Buffer.from('OPTIONS icap://bench/echo ICAP/1.0\r\nHost: bench\r\n\r\n'),
    reply: Buffer.from(
      'ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nISTag: "bench-1"\r\nMax-Connections: 10000\r\nOptions-TTL: 3600\r\n' +
        'Allow: 204\r\nEncapsulated: null-body=0\r\n\r\n',
    ),
    hasBody: false,
  };
}

function reqmodExchange(bodyBytes: number): IcapExchange {
  const http = Buffer.from(
    `POST http://files.example/upload HTTP/1.1\r\nHost: files.example\r\nContent-Type: application/octet-stream\r\n` +
      `Content-Length: ${bodyBytes}\r\n\r\n`,
  );
  const body = chunked(bodyBytes);
  const encapsulated = `Encapsulated: req-hdr=0, req-body=${http.length}\r\n\r\n`;
  const requestHead = `REQMOD icap://bench/echo-${bodyBytes} ICAP/1.0\r\nHost: bench\r\nAllow: 204\r\n${encapsulated}`;
  const replyHead = `ICAP/1.0 200 OK\r\nISTag: "bench-1"\r\n${encapsulated}`;
  return {
    request: Buffer.concat([Buffer.from(requestHead), http, body]),
    reply: Buffer.concat([Buffer.from(replyHead), http, body]),
    hasBody: true,
  };
}

function chunked(bodyBytes: number): Buffer {
  const parts: Buffer[] = [];
  for (let left = bodyBytes; left > 0; left -= CHUNK_BYTES) {
    const size = Math.min(left, CHUNK_BYTES);
    parts.push(Buffer.from(`${size.toString(16)}\r\n`), Buffer.alloc(size, 'icapgw bench '), Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
