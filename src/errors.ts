/** Where an error comes from: the operator's configuration, the client's side, a backend's side, or this program. */
export type ErrorSource = 'config' | 'downstream' | 'upstream' | 'internal';

const MESSAGES = {
  ICAPGW_CONFIG_READ: 'the configuration cannot be read',
  ICAPGW_CONFIG_SYNTAX: 'the configuration is not well-formed',
  ICAPGW_CONFIG_INVALID: 'the configuration is not valid',
  ICAPGW_CONFIG_UNSAFE: 'this setting is obeyed although it protects less than it seems to',
  ICAPGW_CONFIG_DOUBTFUL: 'this setting works, but probably not as it was meant',
  ICAPGW_STUNNEL_REFUSED: 'this stunnel option cannot be honoured and ignoring it would be unsafe',
  ICAPGW_STUNNEL_DIFFERS: 'this stunnel option does not mean here exactly what it means there',
  ICAPGW_TLS_MATERIAL: 'a certificate, key or list cannot be used',
  ICAPGW_LISTEN: 'the address cannot be listened on',
  ICAPGW_WORKER: 'a worker thread failed',
  ICAPGW_LOCAL_ADDRESS: 'the address for connections to backends does not resolve',
  ICAPGW_PRIVILEGES: 'the user or group cannot be changed',
  ICAPGW_LOG_FILE: 'the log file cannot be opened',
  ICAPGW_FILE_WRITE: 'a file cannot be written',
  ICAPGW_PROXY_HEADER: 'the PROXY protocol header is missing or malformed',
  ICAPGW_CLIENT_TIMEOUT: 'the client did not send its request in time',
  ICAPGW_UPSTREAM_CONNECT: 'the backend cannot be connected',
  ICAPGW_UPSTREAM_CONNECT_TIMEOUT: 'the backend did not accept the connection in time',
  ICAPGW_UPSTREAM_HANDSHAKE: 'the TLS handshake with the backend failed',
  ICAPGW_UPSTREAM_RESOLVE: 'the name of the backend cannot be resolved',
  ICAPGW_UPSTREAM_CLOSED: 'the backend closed the connection before it answered',
  ICAPGW_UPSTREAM_TIMEOUT: 'the backend did not answer in time',
  ICAPGW_ICAP_BAD_START_LINE: 'the first line is not ICAP',
  ICAPGW_ICAP_BAD_VERSION: 'the protocol version is not ICAP/1.0',
  ICAPGW_ICAP_BAD_HEADER: 'a header line is malformed',
  ICAPGW_ICAP_BAD_ENCAPSULATED: 'the Encapsulated header does not fit the message',
  ICAPGW_ICAP_BAD_CHUNK: 'the chunked body is malformed',
  ICAPGW_ICAP_BAD_PREVIEW: 'the preview does not fit what was announced',
  ICAPGW_ICAP_HEAD_TOO_LARGE: 'a header block is larger than the limit',
  ICAPGW_ICAP_BODY_TOO_LARGE: 'the body is larger than the limit',
  ICAPGW_FEED_STATE: 'the state of the threat feed cannot be used',
  ICAPGW_FEED_UNAVAILABLE: 'the threat feed can take nothing at the moment',
  ICAPGW_FEED_BROKER: 'the broker of the threat feed cannot be used',
  ICAPGW_SMC: 'the Forcepoint SMC did not do what it was asked',
  ICAPGW_PROBE_FILE: 'the document to send cannot be read',
} as const;

/** Closed list of codes, each documented in docs/errors.md. Match on these, never on the text. */
export type ErrorCode = keyof typeof MESSAGES;

/** Every code with its text for people, for the documentation test. */
export const ERROR_MESSAGES: Readonly<Record<ErrorCode, string>> = MESSAGES;

/** Plain values that go with an error: never sockets, configuration objects or secrets. */
export interface ErrorDetail {
  /** Appended to the fixed text: what exactly, and what to do next. */
  readonly detail?: string;
  readonly cause?: unknown;
}

/** Base of every error this program throws on purpose. Match on `code`, never on `message`. */
export abstract class GatewayError extends Error {
  abstract readonly source: ErrorSource;
  readonly code: ErrorCode;

  constructor(code: ErrorCode, options: ErrorDetail = {}) {
    const { detail, cause } = options;
    const text = detail === undefined ? MESSAGES[code] : `${MESSAGES[code]}: ${detail}`;
    super(text, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
  }

  /** Whether the same client may be tried on another backend. */
  get retryable(): boolean {
    return false;
  }
}

/** One problem in a configuration, at the place where an editor can jump to. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** 1-based; 0 where a problem belongs to the whole file. */
  readonly line: number;
  readonly message: string;
  readonly code: ErrorCode;
}

/** The configuration cannot be used; `problems` holds every reason, in file order. */
export class ConfigError extends GatewayError {
  readonly source = 'config';
  readonly problems: readonly Problem[];

  constructor(code: ErrorCode, problems: readonly Problem[], options: ErrorDetail = {}) {
    super(code, options);
    this.problems = problems;
  }
}

/** A certificate, key, CA or CRL file cannot be used; `file` names it. */
export class TlsMaterialError extends GatewayError {
  readonly source = 'config';
  readonly file: string;

  constructor(file: string, options: ErrorDetail) {
    super('ICAPGW_TLS_MATERIAL', options);
    this.file = file;
  }
}

/** Bytes are not ICAP as RFC 3507 has it; `offset` counts from the first byte of the message. */
export class IcapProtocolError extends GatewayError {
  readonly source = 'downstream';
  readonly offset: number;

  constructor(code: ErrorCode, options: ErrorDetail & { readonly offset: number }) {
    super(code, options);
    this.offset = options.offset;
  }
}

/** The client's side failed; `peer` is its address. */
export class DownstreamError extends GatewayError {
  readonly source = 'downstream';
  readonly peer: string;

  constructor(code: ErrorCode, options: ErrorDetail & { readonly peer: string }) {
    super(code, options);
    this.peer = options.peer;
  }
}

/** A backend failed before any of its bytes reached the client. */
export class UpstreamError extends GatewayError {
  readonly source = 'upstream';
  readonly backend: string;
  readonly #retryable: boolean;

  constructor(code: ErrorCode, options: ErrorDetail & { readonly backend: string; readonly retryable?: boolean }) {
    super(code, options);
    this.backend = options.backend;
    this.#retryable = options.retryable ?? true;
  }

  override get retryable(): boolean {
    return this.#retryable;
  }
}

/** This program or its machine failed: a port that is taken, a file that cannot be written. */
export class RuntimeError extends GatewayError {
  readonly source = 'internal';
}

/** The message of anything thrown, for a log line or a terminal. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
