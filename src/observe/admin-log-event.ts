/** What is told of the admin endpoint and of what operators do there; the same rules as for the other events. */
export interface AdminLogEvents {
  readonly 'admin-listening': { readonly address: string };
  readonly 'admin-unavailable': { readonly address: string; readonly detail: string };
  readonly 'admin-request-refused': {
    readonly client: string;
    readonly path: string;
    readonly reason: 'host' | 'token' | 'origin';
  };
  /** Without a path where the connection itself could not be accepted. */
  readonly 'admin-request-failed': { readonly path: string | undefined; readonly detail: string };
  readonly 'backend-weight': { readonly service: string; readonly backend: string; readonly weight: number };
  /** `until` is an ISO time; undefined: until it is unblocked. */
  readonly 'address-blocked': { readonly address: string; readonly until: string | undefined };
  readonly 'address-unblocked': {
    readonly address: string;
    readonly cause: 'operator' | 'expired' | 'allowed' | 'own';
  };
  /** After a restart. */
  readonly 'blocks-restored': { readonly count: number };
  /** What operators have blocked holds, but not over a restart. */
  readonly 'blocks-not-kept': { readonly file: string; readonly detail: string };
  /** `count` addresses and networks of `block-list.file` are blocked from here on; `exempt` of it never are. */
  readonly 'block-list-read': { readonly file: string; readonly count: number; readonly exempt: number };
  /** It changed into something that cannot be used. `detail` names file and line. */
  readonly 'block-list-failed': { readonly file: string; readonly detail: string };
  readonly 'blocks-damaged': { readonly file: string; readonly detail: string };
}
