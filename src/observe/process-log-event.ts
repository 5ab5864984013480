/** Events about what this process starts: its threads, and the programs of `exec`; the same rules as for the other events. */
export interface ProcessLogEvents {
  readonly 'worker-died': { readonly worker: number; readonly detail: string };
  readonly 'worker-started': { readonly worker: number };
  /** For a client, or in its place: then there is no connection yet. */
  readonly 'program-started': {
    readonly service: string;
    readonly connection?: number;
    readonly client?: string;
    readonly program: string;
    readonly pid: number;
  };
  /** By itself or by a signal. */
  readonly 'program-ended': {
    readonly service: string;
    readonly connection?: number;
    readonly client?: string;
    readonly program: string;
    readonly pid: number;
    readonly exitCode?: number | undefined;
    readonly signal?: string | undefined;
  };
}
