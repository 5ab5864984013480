import type { Sample } from './measurement.ts';
import { median, spread } from './statistics.ts';
import type { Workload } from './workload.ts';

export interface ReportOptions {
  readonly samples: readonly Sample[];
  readonly peers: readonly string[];
  /** Those of them that are this program. */
  readonly ours: readonly string[];
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

/** Medians of all rounds as Markdown tables, one row per workload, one column per peer. */
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
    section('CPU time of the process tree for one unit of work (half the range of the rounds)', header, cpu),
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
  const medians = options.peers.map((peer) => median(valuesOf(options, column, workload, peer)));
  const others = medians.filter((value, i) => !options.ours.includes(options.peers[i] ?? '') && !Number.isNaN(value));
  const ratios = options.ours.map((own) => {
    const ratio = (medians[options.peers.indexOf(own)] ?? Number.NaN) / Math.min(...others);
    return others.length === 0 || Number.isNaN(ratio) ? '-' : ratio.toFixed(2);
  });
  return [...plainRow(options, column, workload, title), ...ratios];
}

function plainRow(options: ReportOptions, column: Column, workload: Workload | undefined, title: string): string[] {
  const cells = options.peers.map((peer) => {
    const values = valuesOf(options, column, workload, peer);
    if (values.length === 0) return '-';
    const noise = column === CPU && values.length > 1 ? ` ±${Math.round(100 * spread(values))}%` : '';
    return `${significant(median(values))}${noise}`;
  });
  return [`${title}, ${column.unit}`, ...cells];
}

function valuesOf(options: ReportOptions, column: Column, workload: Workload | undefined, peer: string): number[] {
  return options.samples
    .filter((sample) => sample.peer === peer && (workload === undefined || sample.workload === workload.name))
    .map((sample) => column.value(sample));
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
