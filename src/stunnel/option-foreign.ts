import { type ApplyOption, explain, processOption, type StunnelOption, serviceOption, type Verdict } from './option.ts';

/** The parts of a row for an option that has no meaning here. */
interface ForeignSpec {
  readonly name: string;
  readonly scope: StunnelOption['scope'];
  readonly values: string;
  readonly note: string;
  readonly instead?: string;
  readonly rating?: StunnelOption['rating'];
  readonly repeats?: boolean;
  /** Values, lower case, that ask for nothing: they pass in silence. */
  readonly harmless?: readonly string[];
}

function foreignOption(spec: ForeignSpec, verdict: Verdict, tell: 'refuse' | 'warn'): StunnelOption {
  const { harmless = [], instead = '', rating = 'C', repeats = false, scope, ...rest } = spec;
  const text = explain({ note: spec.note, instead });
  const apply: ApplyOption<unknown> = (setting, _draft, report) => {
    if (harmless.includes(setting.value.toLowerCase())) return;
    report[tell](setting.place, `${setting.name}: ${text}`);
  };
  const row = { ...rest, instead, rating, repeats, verdict, apply };
  return scope === 'global' ? processOption(row) : serviceOption(row);
}

/** A row for an option whose absence would protect less or send data elsewhere: an error, unless its value is harmless. */
export function refusedOption(spec: ForeignSpec): StunnelOption {
  return foreignOption(spec, 'refused', 'refuse');
}

/** A row for an option that can be missed: a warning, unless its value is harmless. */
export function ignoredOption(spec: ForeignSpec): StunnelOption {
  return foreignOption(spec, 'warned', 'warn');
}
