import { readFileSync } from 'node:fs';

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: { readonly uid: string };
  }[];
}

export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] };
}

/** A query as the dashboard has it, and where. */
export interface DashboardQuery {
  readonly place: string;
  readonly expr: string;
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(new URL('../../deploy/grafana/icapgw.json', import.meta.url), 'utf8')) as Dashboard;
}

export function panelQueries({ panels }: Dashboard): readonly DashboardQuery[] {
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr }) => ({ place: `${title} ${refId}`, expr })),
  );
}

/** What Grafana makes of it where every gateway and every service is chosen. */
export function withoutVariables(expr: string, rateInterval: string): string {
  return expr.replaceAll('$__rate_interval', rateInterval).replaceAll(/"\$(instance|service)"/g, '".*"');
}
