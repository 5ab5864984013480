import { IcapProtocolError, messageOf, UpstreamError } from '../errors.ts';
import type { ProbeFailure, Problem } from './probe.ts';

const LONGEST_DETAIL = 200;

const FAILURE_OF_CODE: Readonly<Record<string, ProbeFailure>> = {
  ECONNREFUSED: 'refused',
  ENOENT: 'refused',
  EACCES: 'refused',
  ETIMEDOUT: 'timeout',
  ICAPGW_UPSTREAM_CONNECT_TIMEOUT: 'timeout',
  ICAPGW_UPSTREAM_TIMEOUT: 'timeout',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  ERR_STREAM_PREMATURE_CLOSE: 'reset',
  ICAPGW_UPSTREAM_CLOSED: 'reset',
  ICAPGW_UPSTREAM_HANDSHAKE: 'tls',
  EPROTO: 'tls',
  ENOTFOUND: 'resolve',
  EAI_AGAIN: 'resolve',
  ICAPGW_UPSTREAM_RESOLVE: 'resolve',
  // This machine has no descriptor, port or memory left: no member is to blame.
  EMFILE: 'local',
  ENFILE: 'local',
  ENOBUFS: 'local',
  ENOMEM: 'local',
  EADDRNOTAVAIL: 'local',
};

/**
 * What went wrong, from an error of the dialer or of a stream: its own code decides, else that of its cause. An error
 * that is not about the connection is a mistake in this program and is thrown on.
 */
export function problemOf(error: unknown): Problem {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const failure = failureOf(cause);
    if (failure !== undefined) return { reason: failure, detail: printable(messageOf(rootOf(cause))) };
  }
  // The dialer's word that it is about the backend, with a cause that says no more.
  if (error instanceof UpstreamError) return { reason: 'unreachable', detail: printable(messageOf(error)) };
  throw error;
}

/** Text of a backend as far as it may stand in a log: one line, of bounded length. */
export function printable(text: string): string {
  const line = text.replaceAll(/[^\x20-\x7e]+/g, ' ').trim();
  return line.length > LONGEST_DETAIL ? `${line.slice(0, LONGEST_DETAIL)}...` : line;
}

function failureOf(error: Error): ProbeFailure | undefined {
  if (!('code' in error) || typeof error.code !== 'string') return undefined;
  const known = FAILURE_OF_CODE[error.code];
  if (known !== undefined) return known;
  if (error instanceof IcapProtocolError) return 'protocol';
  if (/^ERR_(SSL|TLS|OSSL)_/.test(error.code)) return 'tls';
  // Every other error of the operating system: no route, no such network.
  return 'errno' in error ? 'unreachable' : undefined;
}

function rootOf(error: Error): Error {
  return error.cause instanceof Error ? rootOf(error.cause) : error;
}
