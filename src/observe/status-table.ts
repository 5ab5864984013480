import { type Html, type HtmlValue, html } from './html.ts';

/** One column of a table on the status page. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => HtmlValue;
  /** Set to the right, so that digits stand below each other. */
  readonly isNumber?: true;
}

const MOST_NARROW_COLUMNS = 5;

/** A table with a caption. Where it is wide each row becomes a card on a narrow screen, in which every cell says what it is. */
export function renderTable<Row>(caption: string, columns: readonly Column<Row>[], rows: readonly Row[]): Html {
  return html`<table class="${kindOf(columns)}" role="table"><caption>${caption}</caption>${renderRows(columns, rows)}</table>`;
}

/** A section of the page with one table, or with a sentence where it would be empty; below what else it has to say. */
export function renderSection<Row>(
  { id, title, whenEmpty }: { readonly id: string; readonly title: string; readonly whenEmpty: string },
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  before: readonly Html[] = [],
): Html {
  const table = html`<table class="${kindOf(columns)}" role="table" aria-labelledby="${id}-title">${renderRows(columns, rows)}</table>`;
  return html`<section id="${id}" tabindex="-1" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>
${before}${rows.length === 0 ? html`<p>${whenEmpty}</p>` : table}</section>`;
}

function renderRows<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Html {
  return html`
<thead><tr>${columns.map(({ title, isNumber }) => html`<th scope="col" class="${classOf(isNumber)}">${title}</th>`)}</tr></thead>
<tbody>
${rows.map((row) => html`<tr role="row">${columns.map((column) => renderCell(column, row))}</tr>\n`)}</tbody>`;
}

function renderCell<Row>({ title, cell, isNumber }: Column<Row>, row: Row): Html {
  // A browser forgets that this is a table while its style makes cards of the rows.
  return html`<td role="cell" data-title="${title}" class="${classOf(isNumber)}">${cell(row)}</td>`;
}

function kindOf(columns: readonly unknown[]): string {
  return columns.length > MOST_NARROW_COLUMNS ? 'wide' : 'narrow';
}

function classOf(isNumber: true | undefined): string {
  return isNumber === true ? 'number' : 'text';
}
