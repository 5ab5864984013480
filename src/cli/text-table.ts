import { stripVTControlCharacters } from 'node:util';

/** A cell; numbers are set to the right. Text may hold colours. */
export type Cell = string | number;

const GAP = '  ';

/** Lines with their columns below each other, the titles first. */
export function alignTable(titles: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const all: readonly (readonly Cell[])[] = [titles, ...rows];
  const widths = titles.map((_, column) => Math.max(...all.map((row) => widthOf(row[column] ?? ''))));
  // A title stands above its numbers.
  const isNumber = titles.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  return all.map((row) =>
    row
      .map((cell, column) => {
        const padding = ' '.repeat((widths[column] ?? 0) - widthOf(cell));
        return isNumber[column] ? padding + cell : cell + padding;
      })
      .join(GAP)
      .trimEnd(),
  );
}

function widthOf(cell: Cell): number {
  return stripVTControlCharacters(String(cell)).length;
}
