import type { Sample } from './measurement.ts';
import { median, spread } from './statistics.ts';
import type { Workload } from './workload.ts';

export interface ReportOptions {
  readonly samples: readonly Sample[];
  readonly peers: readonly string[];
  /** Those of them that are this program. */
  readonly ours: readonly string[];
  /** Those that it is compared with. */
  readonly others: readonly string[];
  readonly workloads: readonly Workload[];
}

interface Column {
  readonly title: string;
  readonly unit: string;
  value(sample: Sample): number;
}

const CPU: Column = { title: 'CPU', unit: 'us', value: (sample) => sample.cpuUserUs + sample.cpuSystemUs };
const P50: Column = { title: 'p50', unit: 'ms', value: (sample) => sample.p50Ms };
const P99: Column = { title: 'p99', unit: 'ms', value: (sample) => sample.p99Ms };
const START: Column = { title: 'start to listening', unit: 'ms', value: (sample) => sample.startMs };
const TOTAL: Column = { title: 'memory in all', unit: 'MiB', value: (sample) => sample.memoryAfterKib / 1_024 };

/**
 * Medians of all turns as Markdown tables, one row per workload, one column per peer. A ratio is the median of the ratios
 * within each turn, so that what befalls the machine for a while befalls both sides of it.
 */
export function formatReport(options: ReportOptions): string {
  const working = options.workloads.filter(({ connection }) => connection !== 'idle');
  const idle = options.workloads.filter(({ connection }) => connection === 'idle');
  const resumed = working.filter(({ connection }) => connection === 'resumed');
  const cpu = working.map((workload) => row(options, CPU, workload, workload.title));
  const latency = working.flatMap((workload) => {
    return [P50, P99].map((column) => row(options, column, workload, `${workload.title}, ${column.title}`));
  });
  const shares = resumed.map((workload) => {
    const share: Column = { title: '', unit: '%', value: (sample) => 100 * sample.resumedShare };
    return plainRow(options, share, workload, 'connections that were resumed');
  });
  const memory = idle.flatMap((workload) => [
    row(options, perConnection(workload), workload, `${workload.title}, each`),
    row(options, TOTAL, workload, `${workload.unitCount} ${workload.title}, ${TOTAL.title}`),
  ]);
  const start = [row(options, START, undefined, START.title)];
  const header = ['', ...options.peers, ...options.ours.map((own) => `${own} / best other`)];
  return [
    section('CPU time of the process tree for one unit of work (half the range of the middle half)', header, cpu),
    section('Latency', header, [...latency, ...shares]),
    section('Memory (PSS) and start', header, [...memory, ...start]),
  ].join('\n');
}

function perConnection(workload: Workload): Column {
  return {
    title: 'each',
    unit: 'KiB',
    value: (sample) => (sample.memoryAfterKib - sample.memoryBeforeKib) / workload.unitCount,
  };
}

function row(options: ReportOptions, column: Column, workload: Workload | undefined, title: string): string[] {
  const best = options.others
    .map((peer) => valuesOf(options, column, workload, peer))
    .filter(({ size }) => size > 0)
    .toSorted((a, b) => median([...a.values()]) - median([...b.values()]))[0];
  const ratios = options.ours.map((own) => {
    const values = [...valuesOf(options, column, workload, own)];
    const inTurn = values.map(([turn, value]) => value / (best?.get(turn) ?? Number.NaN));
    const ratio = median(inTurn.filter((value) => !Number.isNaN(value)));
    return Number.isNaN(ratio) ? '-' : ratio.toFixed(2);
  });
  return [...plainRow(options, column, workload, title), ...ratios];
}

function plainRow(options: ReportOptions, column: Column, workload: Workload | undefined, title: string): string[] {
  const cells = options.peers.map((peer) => {
    const values = [...valuesOf(options, column, workload, peer).values()];
    if (values.length === 0) return '-';
    const noise = column === CPU && values.length > 1 ? ` ±${Math.round(100 * spread(values))}%` : '';
    return `${significant(median(values))}${noise}`;
  });
  return [`${title}, ${column.unit}`, ...cells];
}

/** By workload and turn. */
function valuesOf(
  options: ReportOptions,
  column: Column,
  workload: Workload | undefined,
  peer: string,
): Map<string, number> {
  const samples = options.samples.filter(
    (sample) => sample.peer === peer && (workload === undefined || sample.workload === workload.name),
  );
  return new Map(samples.map((sample) => [`${sample.workload} ${sample.turn}`, column.value(sample)]));
}

/** Three digits that mean something; more would be noise. */
function significant(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function section(title: string, header: readonly string[], rows: readonly string[][]): string {
  if (rows.length === 0) return '';
  const cells = [header, ...rows].map((line) => header.map((_, i) => line[i] ?? ''));
  const widths = header.map((_, i) => Math.max(...cells.map((line) => line[i]?.length ?? 0)));
  const lines = cells.map((line) => `| ${line.map((cell, i) => pad(cell, widths[i] ?? 0, i === 0)).join(' | ')} |`);
  const ruler = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [`${title}`, '', lines[0] ?? '', ruler, ...lines.slice(1), ''].join('\n');
}

function pad(cell: string, width: number, isTitle: boolean): string {
  return isTitle ? cell.padEnd(width) : cell.padStart(width);
}
