import { UpstreamError } from '../errors.ts';
import type { Field } from '../icap/field.ts';
import { parseServiceOptions, type ServiceOptions } from '../icap/service-options.ts';
import type { Judgement } from '../icap/verdict.ts';
import type { ProbeTls, TlsSummary } from './dial.ts';
import type { ProbeDocument } from './document.ts';
import { askOptions, judgeResult, type ModResult, modify, type Trace } from './exchange.ts';
import type { ModMethod, ProbeProfile } from './profile.ts';
import { requestFields } from './request-fields.ts';
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
  /** Ends the probe with its reason, an Error. */
  readonly cancel: AbortSignal;
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
  using session = new ProbeSession(target, options.tls, options.timeouts, options.cancel);
  const startMs = performance.now();
  const connection = await session.connect();
  const connectMs = performance.now() - startMs;

  const wanted = options.method ?? profile.method;
  const optionsUri = uriOf(target, pathFor(options, wanted));
  const { head } = await askOptions(connection.client, optionsUri, requestFields(options, connection.socket), trace);
  const service: OptionsReport = { ...parseServiceOptions(head.fields), status: head.status, reason: head.reason };
  const method = methodFor(options, wanted, service);
  const path = pathFor(options, method);
  const previewBytes = options.usePreview && head.status === 200 ? service.previewBytes : undefined;

  const ask = async (next: SessionConnection): Promise<ModResult> => {
    const fields = requestFields(options, next.socket);
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
    ...judgeResult(method, result),
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

function pathFor({ target, profile }: ProbeOptions, method: ModMethod): string {
  return target.path ?? profile.paths[method];
}

function methodFor({ method, target }: ProbeOptions, wanted: ModMethod, { methods }: ServiceOptions): ModMethod {
  const other: ModMethod = wanted === 'REQMOD' ? 'RESPMOD' : 'REQMOD';
  const takesOnlyOther = methods.includes(other) && !methods.includes(wanted);
  return method === undefined && target.path !== undefined && takesOnlyOther ? other : wanted;
}
