/** What one finding says of one address: a source reports it, nobody has judged it yet. */
export interface Indicator {
  /** In its one spelling, as `canonicalAddress` gives it: never an IPv4-mapped IPv6 address, never a network. */
  readonly address: string;
  /** The kind of finding, for people: `UnauthorizedAccess:EC2/SSHBruteForce`. Already free of control characters. */
  readonly type: string;
}
