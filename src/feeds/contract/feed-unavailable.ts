import { type ErrorDetail, GatewayError } from '../../errors.ts';

/** Nothing was taken: whoever reported it must keep it and try again. */
export class FeedUnavailableError extends GatewayError {
  readonly source = 'internal';
  /** After how many seconds trying again makes sense. */
  readonly retryAfterSeconds: number;

  constructor(options: ErrorDetail & { readonly retryAfterSeconds: number }) {
    super('ICAPGW_FEED_UNAVAILABLE', options);
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}
