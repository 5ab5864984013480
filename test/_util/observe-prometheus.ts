/** One metric family of the Prometheus text format. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly {
    readonly name: string;
    readonly labels: Record<string, string>;
    readonly value: number;
  }[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Reads the text format strictly: what promtool would complain about throws. */
export function parsePrometheus(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line must end');
  const families = new Map<string, Family>();
  let current: { name: string; help: string; type: string; samples: Family['samples'][number][] } | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, helpName = '', helpText = ''] = /^# HELP (\S+) (.+)$/.exec(line) ?? [];
    if (helpName !== '') {
      help = { name: helpName, text: helpText };
      continue;
    }
    const [, typeName = '', type = ''] = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line) ?? [];
    if (typeName !== '') {
      if (help?.name !== typeName || families.has(typeName)) throw new Error(`out of place: ${line}`);
      if (type === 'counter' && !typeName.endsWith('_total')) throw new Error(`counter without _total: ${line}`);
      if (type !== 'counter' && typeName.endsWith('_total')) throw new Error(`_total on no counter: ${line}`);
      current = { name: typeName, help: help.text, type, samples: [] };
      families.set(typeName, current);
      continue;
    }
    const [, name = '', labelText = '', value = ''] = SAMPLE.exec(line) ?? [];
    const suffixes = current?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    if (current === undefined || !suffixes.some((suffix) => name === current?.name + suffix)) {
      throw new Error(`not a sample of ${current?.name}: ${line}`);
    }
    // Prometheus reads numbers as Go does, in any case; prom-client writes `Nan` before its first observation.
    const isNumber = /^nan$/i.test(value) || !Number.isNaN(Number(value.replace('Inf', 'Infinity')));
    if (value === '' || !isNumber) throw new Error(`no value: ${line}`);
    const labels = parseLabels(labelText, line);
    const key = JSON.stringify([name, labels]);
    if (current.samples.some((sample) => JSON.stringify([sample.name, sample.labels]) === key)) {
      throw new Error(`twice: ${line}`);
    }
    current.samples.push({ name, labels, value: Number(value) });
  }
  return families;
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name, value = ''] = LABEL.exec(text) ?? [];
    if (name === undefined || name in labels) throw new Error(`bad labels: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
  }
  return labels;
}

/** The value of the one sample with these labels. */
export function sampleOf(families: Map<string, Family>, name: string, labels: Record<string, string>): number {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
  const found = (family?.samples ?? []).filter(
    (sample) =>
      sample.name === name &&
      Object.keys(sample.labels).length === Object.keys(labels).length &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  if (found.length !== 1) throw new Error(`${found.length} samples of ${name} ${JSON.stringify(labels)}`);
  return found[0]?.value ?? Number.NaN;
}
