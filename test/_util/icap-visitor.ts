import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { parseServiceOptions, type ServiceOptions } from '../../src/icap/service-options.ts';
import { type Judgement, judge } from '../../src/icap/verdict.ts';
import { type ProbeDocument, textDocument } from '../../src/probe/document.ts';
import { askOptions, modify } from '../../src/probe/exchange.ts';
import { IcapClient } from '../../src/probe/icap-client.ts';
import type { ModMethod } from '../../src/probe/profile.ts';
import type { LabIdentity } from './certificate-lab.ts';

/** Where a visitor goes. With `tls` it shows that identity, and accepts any server. */
export interface VisitorTarget {
  readonly port: number;
  readonly path: string;
  readonly tls?: LabIdentity;
}

export interface VisitOptions {
  readonly method?: ModMethod;
  /** Undefined: without a preview. */
  readonly previewBytes?: number;
  readonly allow204?: boolean;
}

/** What came of one request. */
export interface Visit extends Judgement {
  readonly status: number;
  readonly endedInPreview: boolean;
  /** Undefined where no body came back. */
  readonly bodyChanged: boolean | undefined;
}

/** An ICAP client that keeps its connection as long as the other side does. */
export interface IcapVisitor extends AsyncDisposable {
  /** Connections it has had. */
  readonly connectionCount: number;
  options(): Promise<ServiceOptions & { readonly status: number }>;
  /** Rejects where no whole answer came. */
  visit(document: string | ProbeDocument, options?: VisitOptions): Promise<Visit>;
}

const SILENCE_MS = 20_000;

/** Connects at its first request, and again after the other side has closed. */
export function createIcapVisitor(target: VisitorTarget): IcapVisitor {
  const { path, port } = target;
  let client: IcapClient | undefined;
  let connectionCount = 0;
  const connection = async (): Promise<IcapClient> => {
    if (client?.isReusable === true) return client;
    client?.close();
    const socket = await open(target);
    connectionCount += 1;
    client = new IcapClient(socket, {
      backend: `127.0.0.1:${port}`,
      limits: DEFAULT_ICAP_LIMITS,
      silenceMs: SILENCE_MS,
      silentCloseHint: 'no answer',
      explain: () => undefined,
    });
    return client;
  };
  const uri = `icap://127.0.0.1:${port}${path}`;
  const host = { name: 'Host', value: `127.0.0.1:${port}` };
  return {
    get connectionCount() {
      return connectionCount;
    },
    async options() {
      const { head } = await askOptions(await connection(), uri, [host], () => {});
      return { ...parseServiceOptions(head.fields), status: head.status };
    },
    async visit(content, { method = 'REQMOD', previewBytes, allow204 = false } = {}) {
      const document = typeof content === 'string' ? textDocument('visit.txt', content) : content;
      const fields = allow204 ? [host, { name: 'Allow', value: '204' }] : [host];
      const request = { method, uri, fields, document, previewBytes };
      const { sent, reply, endedInPreview, bodyChanged } = await modify(await connection(), request, () => {});
      const { head, sections } = reply;
      const judged = { method, sent, status: head.status, fields: head.fields, received: sections, bodyChanged };
      return { ...judge(judged), status: head.status, endedInPreview, bodyChanged };
    },
    async [Symbol.asyncDispose]() {
      client?.close();
    },
  };
}

async function open({ port, tls }: VisitorTarget): Promise<Socket> {
  const to = { host: '127.0.0.1', port };
  const socket =
    tls === undefined
      ? connectTcp(to)
      : connectTls({ ...to, rejectUnauthorized: false, cert: readFileSync(tls.cert), key: readFileSync(tls.key) });
  socket.setNoDelay(true);
  await once(socket, tls === undefined ? 'connect' : 'secureConnect');
  return socket;
}
