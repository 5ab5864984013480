import { UpstreamError } from '../errors.ts';
import type { Field } from '../icap/field.ts';
import { parseServiceOptions, type ServiceOptions } from '../icap/service-options.ts';
import { type Judgement, judge } from '../icap/verdict.ts';
import type { ProbeTls, TlsSummary } from './dial.ts';
import type { ProbeDocument } from './document.ts';
import { askOptions, type ModResult, modify, type Trace } from './exchange.ts';
import type { ModMethod, ProbeProfile } from './profile.ts';
import { ProbeSession, type ProbeTimeouts, type SessionConnection } from './session.ts';
import { authorityOf, type ProbeTarget, uriOf } from './target.ts';

export interface ProbeOptions {
  readonly target: ProbeTarget;
  readonly profile: ProbeProfile;
  /** Undefined: what the profile says, or the other one where the service at the URL's path takes only that. */
  readonly method: ModMethod | undefined;
  readonly document: ProbeDocument;
  readonly usePreview: boolean;
  readonly allow204: boolean;
  /** Beside those of the profile, and instead of those with the same name. */
  readonly fields: readonly Field[];
  readonly tls: ProbeTls;
  readonly timeouts: ProbeTimeouts;
  readonly trace: Trace;
}

/** What the service said to OPTIONS. */
export interface OptionsReport extends ServiceOptions {
  readonly status: number;
  readonly reason: string;
}

/** All that a probe found out. */
export interface ProbeReport extends Judgement {
  readonly address: string;
  readonly tls: TlsSummary | undefined;
  readonly options: OptionsReport;
  readonly method: ModMethod;
  readonly path: string;
  readonly document: { readonly name: string; readonly sizeBytes: number };
  /** What the request announced; undefined: the document was sent without a preview. */
  readonly previewBytes: number | undefined;
  readonly endedInPreview: boolean;
  readonly icapStatus: number;
  readonly icapReason: string;
  readonly connectMs: number;
  /** From the first byte about the document to the end of the answer. */
  readonly answerMs: number;
}

/** Connects, asks for OPTIONS, sends the document and judges the answer, as the client of a DLP or a scanner does. */
export async function probe(options: ProbeOptions): Promise<ProbeReport> {
  const { target, profile, document, trace } = options;
  using session = new ProbeSession(target, options.tls, options.timeouts);
  const startMs = performance.now();
  const connection = await session.connect();
  const connectMs = performance.now() - startMs;

  const wanted = options.method ?? profile.method;
  const optionsUri = uriOf(target, pathFor(options, wanted));
  const { head } = await askOptions(connection.client, optionsUri, fieldsFor(options, connection), trace);
  const service: OptionsReport = { ...parseServiceOptions(head.fields), status: head.status, reason: head.reason };
  const method = methodFor(options, wanted, service);
  const path = pathFor(options, method);
  const previewBytes = options.usePreview && head.status === 200 ? service.previewBytes : undefined;

  const ask = async (next: SessionConnection): Promise<ModResult> => {
    const fields = fieldsFor(options, next);
    return await modify(next.client, { method, uri: uriOf(target, path), fields, document, previewBytes }, trace);
  };
  const askedMs = performance.now();
  const next = await session.connect();
  const result = await ask(next).catch(async (error: unknown) => {
    // c-icap closes after some errors without announcing it, and any server may while a connection is idle.
    if (next !== connection || !isClosed(error)) throw error;
    return await ask(await session.connect());
  });
  return {
    ...judgementOf(method, result),
    address: authorityOf(target),
    tls: connection.tls,
    options: service,
    method,
    path,
    document: { name: document.name, sizeBytes: document.sizeBytes },
    previewBytes,
    endedInPreview: result.endedInPreview,
    icapStatus: result.reply.head.status,
    icapReason: result.reply.head.reason,
    connectMs,
    answerMs: performance.now() - askedMs,
  };
}

function isClosed(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === 'ICAPGW_UPSTREAM_CLOSED';
}

function judgementOf(method: ModMethod, { sent, reply, bodyChanged }: ModResult): Judgement {
  const { head, sections } = reply;
  return judge({ method, sent, status: head.status, fields: head.fields, received: sections, bodyChanged });
}

function pathFor({ target, profile }: ProbeOptions, method: ModMethod): string {
  return target.path ?? profile.paths[method];
}

function methodFor({ method, target }: ProbeOptions, wanted: ModMethod, { methods }: ServiceOptions): ModMethod {
  const other: ModMethod = wanted === 'REQMOD' ? 'RESPMOD' : 'REQMOD';
  const takesOnlyOther = methods.includes(other) && !methods.includes(wanted);
  return method === undefined && target.path !== undefined && takesOnlyOther ? other : wanted;
}

function fieldsFor(options: ProbeOptions, { socket }: SessionConnection): readonly Field[] {
  const own: readonly Field[] = [
    { name: 'Host', value: authorityOf(options.target) },
    { name: 'User-Agent', value: 'icapgw-probe' },
    ...(options.allow204 ? [{ name: 'Allow', value: '204' }] : []),
    ...options.profile.fields(socket.localAddress ?? '127.0.0.1'),
  ];
  const replaced = new Set(options.fields.map(({ name }) => name.toLowerCase()));
  return [...own.filter(({ name }) => !replaced.has(name.toLowerCase())), ...options.fields];
}
