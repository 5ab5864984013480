import { describe, expect, test } from 'vitest';
import { alertRules, hasPromtool, promtool, RULE_TEST_FILES, ruleTests } from '../_util/deploy-prometheus.ts';

const ALERTS = alertRules();

/** The labels of each alert that a rule test expects to fire, by its name. */
const FIRED: ReadonlyMap<string, readonly Readonly<Record<string, string>>[]> = Map.groupBy(
  RULE_TEST_FILES.flatMap((file) => ruleTests(file).tests)
    .flatMap(({ promql_expr_test }) => promql_expr_test)
    .flatMap(({ exp_samples = [] }) => exp_samples)
    .filter(({ labels }) => labels.startsWith('ALERTS{'))
    .map(({ labels }) => labelsOf(labels)),
  ({ alertname = '' }) => alertname,
);

function labelsOf(sample: string): Record<string, string> {
  return Object.fromEntries([...sample.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
}

function kebab(name: string): string {
  return name.replaceAll(/\B[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}

describe.skipIf(!hasPromtool)('promtool', () => {
  test('finds no fault in the rules', async () => {
    const said = await promtool(
      'check',
      'rules',
      '--lint=all',
      '--lint-fatal',
      'icapgw.rules.yml',
      'icapgw.alerts.yml',
    );
    expect(said).toContain(`${ALERTS.length} rules found`);
  });

  test('finds no fault in the configuration', async () => {
    // The token file is on the machine of Prometheus.
    expect(await promtool('check', 'config', '--syntax-only', 'prometheus.yml')).toContain('SUCCESS');
  });

  test.concurrent.each(RULE_TEST_FILES)('finds the rules to do what %s says', async (file) => {
    expect(await promtool('test', 'rules', file)).toContain('SUCCESS');
  });
});

describe('the rule tests', () => {
  test('see every alert fire, and no other', () => {
    expect([...FIRED.keys()].sort()).toEqual(ALERTS.map(({ alert }) => alert).sort());
  });

  test('see every alert silent before or beside that', () => {
    const silent = RULE_TEST_FILES.flatMap((file) => ruleTests(file).tests)
      .flatMap(({ promql_expr_test }) => promql_expr_test)
      .filter(({ exp_samples = [] }) => exp_samples.length === 0)
      .map(({ expr }) => new RegExp(`^${/alertname=~?"([^"]*)"/.exec(expr)?.[1]}$`));
    expect(ALERTS.filter(({ alert }) => !silent.some((pattern) => pattern.test(alert)))).toEqual([]);
  });

  test('are all about a healthy day in one, which loads all rules', () => {
    expect(ruleTests('tests/healthy_test.yml').rule_files).toEqual(['../icapgw.rules.yml', '../icapgw.alerts.yml']);
  });
});

describe.each(ALERTS)('$alert', ({ alert, labels, annotations }) => {
  test('has a severity that the head of the file explains', () => {
    expect(Object.keys(labels)).toEqual(['severity']);
    expect(['critical', 'warning', 'info']).toContain(labels['severity']);
  });

  test('says what it is, what to do and where more is told', () => {
    expect(Object.keys(annotations)).toEqual(['summary', 'description', 'runbook']);
    expect(annotations['summary']).toMatch(/^\w.*[^.]$/);
    expect(annotations['description']).toMatch(/^\S.{80,}\.$/);
    expect(annotations['runbook']).toBe(`docs/operations.md#${kebab(alert)}`);
  });

  test('names only labels that it has when it fires', () => {
    const named = Object.values(annotations).flatMap((text) =>
      [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label),
    );
    for (const fired of FIRED.get(alert) ?? []) expect(Object.keys(fired)).toEqual(expect.arrayContaining(named));
  });
});
