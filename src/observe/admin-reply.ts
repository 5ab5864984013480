import type { ServerResponse } from 'node:http';

/** An answer of the admin endpoint. */
export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

export function json(status: number, value: object, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n`, headers };
}

/** `error` is a sentence for people. */
export function refusal(status: number, error: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return json(status, { error }, headers);
}

export function send(response: ServerResponse, { status, type, body, headers }: Reply): void {
  response.writeHead(status, {
    ...SECURITY_HEADERS,
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}
