/** Where something was written. */
export interface Place {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** Position in reading order over all files, includes expanded where they stand. */
  readonly order: number;
  /** The line in the file that was named to the reader: `line` itself, or that of the `include` that led here. */
  readonly rootLine: number;
}

/** A value with the place it was written at. */
export interface Placed<T> {
  readonly value: T;
  readonly place: Place;
}

/** One `name = value` line; the name is spelled as stunnel's manual has it once the option is known. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly place: Place;
}

/** What a meaningful line of a configuration says. */
export type Statement =
  | { readonly kind: 'section'; readonly name: string; readonly place: Place }
  | ({ readonly kind: 'setting' } & Setting);

/** A line that says nothing to the program, with its mark. */
export interface Comment {
  readonly kind: 'comment';
  readonly text: string;
  readonly place: Place;
}
