/** A metric that an expression asks for. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly isRegex: boolean; readonly value: string }[];
}

/** Ours, recorded ones, and those of prom-client and Prometheus: what else is a word in an expression is none. */
const METRIC = /(?<![\w:$"])(?:(?:icapgw|process|nodejs)_\w+|\w+:[\w:]+|ALERTS|up)(?![\w:(])/;
const SELECTOR = new RegExp(`(${METRIC.source})(?:\\{([^}]*)\\})?`, 'g');
const MATCHER = /(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g;

/** Finds the selectors in an expression. It need not be understood for this: promtool has checked that it can be. */
export function selectorsOf(expr: string): readonly Selector[] {
  return [...expr.matchAll(SELECTOR)].map(([, metric = '', matchers = '']) => ({
    metric,
    matchers: [...matchers.matchAll(MATCHER)].map(([, label = '', operator = '', value = '']) => ({
      label,
      isRegex: operator.endsWith('~'),
      value,
    })),
  }));
}
