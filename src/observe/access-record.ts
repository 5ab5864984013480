import type {
  CloseReason,
  HandshakeFailure,
  HandshakeVersion,
  RejectReason,
  RetryReason,
  VerdictLabel,
} from './labels.ts';

/** What both kinds have, in the order in which it is written. */
interface ConnectionAccess {
  /** When it ended. */
  readonly timeMs: number;
  readonly service: string;
  readonly connection: number;
  readonly client: string;
  readonly tls: HandshakeVersion | undefined;
  readonly subject: string | undefined;
  readonly backend: string | undefined;
  /** From the client. */
  readonly bytesIn: number;
  /** To the client. */
  readonly bytesOut: number;
  readonly ms: number;
}

/** One client connection of a tunnel service, or one of any service that got no further than its handshake. */
export interface TunnelAccess extends ConnectionAccess {
  readonly kind: 'tunnel';
  /** Why it ended; a failed handshake's reason stands behind `tls-`. */
  readonly reason: CloseReason | RejectReason | `tls-${HandshakeFailure}`;
}

/** One ICAP transaction. Text may be as the client sent it: what writes it bounds it and takes credentials out. */
export interface IcapAccess extends ConnectionAccess {
  readonly kind: 'icap';
  /** Why it was answered the way it was. */
  readonly reason: string;
  /** `17-3`: the third request of connection 17. */
  readonly transaction: string;
  /** Undefined where no header for it is configured. */
  readonly correlation: string | undefined;
  readonly method: string;
  /** Path and query of the ICAP request. */
  readonly path: string;
  /** Method and target of the HTTP request inside: `POST http://host/x`. */
  readonly http: string | undefined;
  /** What the client was answered; undefined where it got nothing. */
  readonly status: number | undefined;
  /** The status of the HTTP response that came back. */
  readonly httpStatus: number | undefined;
  readonly verdict: VerdictLabel | undefined;
  readonly threat: string | undefined;
  readonly user: string | undefined;
  /** The address of the user, as the client told it. */
  readonly clientIp: string | undefined;
  /** 1 unless it was sent more than once; 0 where it was never sent to a backend. */
  readonly attempt: number;
  /** Of the last retry. */
  readonly retryReason: RetryReason | undefined;
  readonly preview: number | undefined;
  readonly msToFirstByte: number | undefined;
  readonly istag: string | undefined;
  /** Undefined where `EventPort.squidEnabled` does not ask for it. */
  readonly squid: SquidColumns | undefined;
}

/** What only the squid layout has columns for. */
export interface SquidColumns {
  /** Of the client's ICAP request, absolute. */
  readonly uri: string;
  /** Of the client's ICAP request, from `loggableHeaders`. */
  readonly requestHeaders: string;
  /** Of the answer it got. */
  readonly responseHeaders: string;
  /** Of the body in that answer, without the cost of its chunks; undefined where it had none. */
  readonly responseBodyBytes: number | undefined;
}

export type AccessRecord = TunnelAccess | IcapAccess;
