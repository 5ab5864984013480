import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Panel, panelQueries, readDashboard, withoutVariables } from '../_util/deploy-grafana.ts';
import { hasPromtool, promtool } from '../_util/deploy-prometheus.ts';
import { selectorsOf } from '../_util/promql-selector.ts';

const DASHBOARD = readDashboard();
const SHOWING = DASHBOARD.panels.filter(({ type }) => type !== 'row');

function overlaps({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe('the dashboard', () => {
  test('has panels that Grafana can tell apart and place', () => {
    const { panels } = DASHBOARD;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    const pairs = panels.flatMap((panel, index) => panels.slice(index + 1).map((other) => [panel, other] as const));
    expect(pairs.filter(([panel, other]) => overlaps(panel, other)).map((pair) => pair.map((p) => p.title))).toEqual(
      [],
    );
  });

  test('asks the Prometheus that is chosen, for everything', () => {
    const chosen = `$${'{datasource}'}`;
    for (const { title, datasource, targets = [] } of SHOWING) {
      expect(datasource?.uid, title).toBe(chosen);
      expect(targets, title).not.toEqual([]);
      for (const target of targets) expect(target.datasource.uid, title).toBe(chosen);
    }
  });

  test('shows the gateways and services that are chosen, and no others', () => {
    const everywhere = SHOWING.filter(({ title }) => title !== 'Alerts that fire');
    for (const { place, expr } of panelQueries({ ...DASHBOARD, panels: everywhere })) {
      for (const { matchers } of selectorsOf(expr)) {
        expect(
          matchers.map(({ label }) => label),
          place,
        ).toContain('instance');
        expect(
          matchers.filter(({ label, value }) => /^(instance|service)$/.test(label) && value !== `$${label}`),
        ).toEqual([]);
      }
    }
  });

  test('has variables for what its queries name', () => {
    const named = new Set([...JSON.stringify(DASHBOARD).matchAll(/\$\{?([a-z]\w*)/g)].map(([, variable]) => variable));
    expect([...named].sort()).toEqual(DASHBOARD.templating.list.map(({ name }) => name).sort());
  });

  test.skipIf(!hasPromtool)('has queries that Prometheus understands', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'icapgw-dashboard-'));
    try {
      const queries = [...panelQueries(DASHBOARD), ...DASHBOARD.annotations.list];
      const rules = queries.map(({ expr }, index) => ({
        record: `query:${index}`,
        expr: withoutVariables(expr, '5m'),
      }));
      const file = join(folder, 'queries.yml');
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
      expect(await promtool('check', 'rules', file)).toContain(`${queries.length} rules found`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
