import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

type AttributeValue = { readonly stringValue: string } | { readonly intValue: string };

export interface KeyValue {
  readonly key: string;
  readonly value: AttributeValue;
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly KeyValue[];
  readonly status: { readonly code?: number };
}

export interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string; readonly version: string };
      readonly spans: readonly OtlpSpan[];
    }[];
  }[];
}

export interface Posted {
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: ExportRequest;
}

/** An OTLP/HTTP collector that keeps what it is sent. Disposing ends its connections. */
export interface OtlpCollector extends AsyncDisposable {
  readonly url: string;
  /** What was sent, whatever was answered. */
  readonly posted: readonly Posted[];
  readonly spans: readonly OtlpSpan[];
  /** What the next requests are answered with. */
  answer: { readonly status: number; readonly body: string };
}

/** Starts a collector on a free port, or on one that another had before. */
export async function startOtlpCollector(port = 0): Promise<OtlpCollector> {
  const posted: Posted[] = [];
  const server = createServer((request, response) => {
    readBody(request).then((text) => {
      const { url: path = '', headers } = request;
      posted.push({ path, contentType: headers['content-type'], body: JSON.parse(text) as ExportRequest });
      const { status, body } = collector.answer;
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
    }, request.destroy.bind(request));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const collector: OtlpCollector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posted,
    get spans() {
      return posted.flatMap(({ body }) => spansOf(body));
    },
    answer: { status: 200, body: '{}' },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return collector;
}

export function spansOf({ resourceSpans }: ExportRequest): readonly OtlpSpan[] {
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

/** The attributes as one object; integers as their text. */
export function attributesOf(attributes: readonly KeyValue[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, 'intValue' in value ? value.intValue : value.stringValue]),
  );
}

async function readBody(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}
