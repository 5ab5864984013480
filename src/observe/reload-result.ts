/** What became of an attempt to load the configuration anew; problems are for people, each with file and line. */
export type ReloadResult = { readonly ok: true } | { readonly ok: false; readonly problems: readonly string[] };
