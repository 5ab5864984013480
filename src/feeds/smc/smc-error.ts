import { type ErrorDetail, GatewayError } from '../../errors.ts';

/**
 * What helps. `wait`: the same again, later. `fewer`: less at a time, later. `credential`: another API key. `nothing`: the
 * SMC understood, and will not.
 */
export type SmcRemedy = 'wait' | 'fewer' | 'credential' | 'nothing';

export interface SmcErrorOptions extends ErrorDetail {
  readonly remedy: SmcRemedy;
  /** What the SMC asked for; undefined where it did not. */
  readonly retryAfterMs?: number | undefined;
  /** The HTTP status; undefined where no answer came that can be read. */
  readonly status?: number | undefined;
}

/** A request to the SMC failed. The text names no secret. */
export class SmcError extends GatewayError {
  readonly source = 'upstream';
  readonly remedy: SmcRemedy;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;

  constructor(options: SmcErrorOptions) {
    super('ICAPGW_SMC', options);
    this.remedy = options.remedy;
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
  }
}
