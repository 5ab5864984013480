import { type Html, type HtmlValue, html } from './html.ts';

/** One column of a table on the status page. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => HtmlValue;
  /** Set to the right, so that digits stand below each other. */
  readonly isNumber?: true;
}

/**
 * A table with a caption, or a sentence where it would be empty. On a narrow screen each row becomes a card, in which
 * every cell says what it is.
 */
export function renderTable<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  whenEmpty: string,
): Html {
  if (rows.length === 0) return html`<h2>${caption}</h2><p>${whenEmpty}</p>`;
  return html`<table><caption>${caption}</caption>
<thead><tr>${columns.map(({ title, isNumber }) => html`<th scope="col" class="${classOf(isNumber)}">${title}</th>`)}</tr></thead>
<tbody>
${rows.map((row) => html`<tr>${columns.map((column) => renderCell(column, row))}</tr>\n`)}</tbody></table>`;
}

function renderCell<Row>({ title, cell, isNumber }: Column<Row>, row: Row): Html {
  return html`<td data-title="${title}" class="${classOf(isNumber)}">${cell(row)}</td>`;
}

function classOf(isNumber: true | undefined): string {
  return isNumber === true ? 'number' : 'text';
}
