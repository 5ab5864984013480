/** What the demonstration can find in a body. */
export interface Finding {
  readonly threat: string;
  /** The Type of X-Infection-Found: 0 is malware, 1 a violation of a policy. */
  readonly type: 0 | 1;
  /** One sentence for the block page. */
  readonly text: string;
}

/** Looks at one body in pieces of any size. */
export interface Detector {
  /** Takes the next piece; true once there is a finding. */
  push(data: Buffer): boolean;
  /** The body is over; true if its end completes a finding. */
  end(): boolean;
}
