import { explain, type StunnelOption, type Verdict } from './option.ts';
import { STUNNEL_OPTIONS } from './option-table.ts';

const INTRODUCTION = `# stunnel options in icapgw

What icapgw makes of every option of stunnel 5.68 to 5.75. \`icapgw check FILE\` says the same about a file of yours, line by line.
This file is written by the program; do not edit it.

Beyond stunnel, \`icapgw.KEY = VALUE\` sets any key of the YAML format: of the service in a section (\`icapgw.health.interval = 2s\`),
of the process before the first one (\`icapgw.admin.listen = 127.0.0.1:9400\`). Options before the first section are the
defaults of every section; there lists grow and other values are replaced, as in stunnel.

The folder \`cases\` holds configurations with what icapgw makes of them: \`converted.yaml\` is what \`icapgw convert\` writes in
\`/etc/stunnel\` (where nothing is an error), \`raw.json\` the result before it is checked (\`null\` where nothing is usable),
\`diagnostics.txt\` what \`check\` has to say.

[suite.md](suite.md) tells which of stunnel's own tests icapgw passes in its place, and why not the others.

\`stunnel\` in this folder has the command line of stunnel: \`stunnel [FILE]\`, \`-fd N\`, \`-help\`, \`-version\`, \`-sockets\`, \`-options\`, and with it
the background, pid file, syslog, log lines, signals and exit codes of stunnel. \`icapgw stunnel\` is the same. What its users find:
[the program stunnel](../docs/stunnel-migration.md#the-program-stunnel). Below, "the launcher" is this program.

The rating tells how much a tunnel to an ICAP server depends on an option: A most, C least.
`;

const VERDICTS: Readonly<Record<Verdict, string>> = {
  same: 'as in stunnel',
  better: 'the same line gives more than in stunnel',
  warned: 'accepted without effect, or with another one; `check` and the start say so',
  refused: 'an error: going on without it would protect less or send data elsewhere',
};

/** The compatibility matrix as the text of stunnel-compat/README.md, from the option table. */
export function renderMatrix(): string {
  const verdicts = Object.entries(VERDICTS).map(([verdict, meaning]) => {
    const count = STUNNEL_OPTIONS.filter((option) => option.verdict === verdict).length;
    return [verdict, meaning, String(count)];
  });
  const options = STUNNEL_OPTIONS.toSorted((a, b) => a.name.localeCompare(b.name, 'en')).map(describeRow);
  return [
    INTRODUCTION,
    renderTable(['verdict', 'means', 'options'], verdicts),
    '',
    renderTable(['option', 'rating', 'verdict', 'values', 'where', 'in icapgw'], options),
    '',
  ].join('\n');
}

/** The options that are not as in stunnel, for people who move: those of one fate in one row, the hardest first. */
export function renderDifferences(): string {
  const tables = (['refused', 'warned', 'better'] as const).map((verdict) => {
    const options = STUNNEL_OPTIONS.filter((option) => option.verdict === verdict);
    const groups = Map.groupBy(options, explain);
    const rows = [...groups].map(([text, group]) => [group.map(({ name }) => `\`${name}\``).join(', '), text]);
    const sorted = rows.toSorted(([a = ''], [b = '']) => a.localeCompare(b, 'en'));
    const title = `${verdict[0]?.toUpperCase()}${verdict.slice(1)}: ${VERDICTS[verdict]}.`;
    return `${title}\n\n${renderTable(['option', 'in icapgw'], sorted)}`;
  });
  return `${tables.join('\n\n')}\n`;
}

function describeRow(option: StunnelOption): string[] {
  const names = [option.name, ...option.aliases].map((name) => `\`${name}\``).join(', ');
  const where = option.scope === 'global' ? 'before the first section' : 'anywhere';
  const position = option.repeats ? `${where}, repeats` : where;
  return [names, option.rating, option.verdict, option.values, position, explain(option)];
}

/** A table with its columns in line, as formatters of Markdown leave it. */
function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const renderRow = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [header = [], ...body] = cells;
  return [renderRow(header), renderRow(widths.map((width) => '-'.repeat(width))), ...body.map(renderRow)].join('\n');
}
