import { json, type Reply, refusal } from './admin-reply.ts';
import { BACKEND_WISHES, type BackendWish, type Control, type ControlResult } from './control.ts';
import type { AdminSources } from './status.ts';

/** What an action is given: the parts of the path that vary, and the JSON object of the body. */
interface ActionInput {
  readonly control: Control;
  readonly service: string;
  readonly backend: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Answers a GET; changes nothing. */
export type Query = (sources: AdminSources) => Reply | Promise<Reply>;
type Action = (input: ActionInput) => Reply | Promise<Reply>;

/** What a path does. */
export type ApiRoute =
  | { readonly method: 'GET'; readonly ask: Query }
  | { readonly method: 'POST'; readonly act: (control: Control, body: ActionInput['body']) => Reply | Promise<Reply> };

const PREFIX = '/api/v1/';
const MAX_WEIGHT = 256;
const MOST_CONNECTIONS = 1_000;
const MAX_BLOCK_SECONDS = 366 * 24 * 60 * 60;
const STATUSES = { unknown: 404, invalid: 400, full: 409, guarded: 409, unavailable: 503 } as const;

const QUERIES: ReadonlyMap<string, Query> = new Map<string, Query>([
  ['status', (sources) => json(200, sources.status())],
  ['connections', ({ control }) => listConnections(control)],
  ['blocked', ({ control }) => listBlocked(control)],
]);

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['block', block],
  ['unblock', unblock],
  ['reload', reload],
]);

const BACKEND_ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ...BACKEND_WISHES.map((wish): [string, Action] => [wish, (input) => setBackend(input, wish)]),
  ['weight', setWeight],
]);

/** The route of a path, or undefined where there is none: `/api/v1/backends/SERVICE/BACKEND/drain`. */
export function findApiRoute(path: string): ApiRoute | undefined {
  if (!path.startsWith(PREFIX)) return undefined;
  const segments = path.slice(PREFIX.length).split('/').map(decoded);
  const [first = '', service, backend, last = ''] = segments;
  const names = { service: service ?? '', backend: backend ?? '' };
  if (segments.length === 1) {
    const ask = QUERIES.get(first);
    return ask === undefined ? actionRoute(ACTIONS.get(first), names) : { method: 'GET', ask };
  }
  if (segments.length !== 4 || first !== 'backends' || service === undefined || backend === undefined) return undefined;
  return actionRoute(BACKEND_ACTIONS.get(last), names);
}

function actionRoute(
  action: Action | undefined,
  names: Pick<ActionInput, 'service' | 'backend'>,
): ApiRoute | undefined {
  return action && { method: 'POST', act: (control, body) => action({ control, body, ...names }) };
}

async function listConnections(control: Control): Promise<Reply> {
  const list = await control.connections(MOST_CONNECTIONS);
  return list === undefined ? refusal(503, 'the workers do not answer; try again') : json(200, list);
}

function listBlocked(control: Control): Reply {
  return json(200, { blocked: control.blocked(), ...control.blockedReport(Number.POSITIVE_INFINITY) });
}

function setBackend({ control, service, backend }: ActionInput, wish: BackendWish): Reply {
  return told(control.setBackend(service, backend, wish), { service, backend, set: wish });
}

function setWeight({ control, service, backend, body }: ActionInput): Reply {
  const { weight } = body;
  if (typeof weight !== 'number' || !Number.isInteger(weight) || weight < 0 || weight > MAX_WEIGHT) {
    return refusal(400, `weight must be an integer from 0 to ${MAX_WEIGHT}`);
  }
  return told(control.setWeight(service, backend, weight), { service, backend, weight });
}

async function block({ control, body }: ActionInput): Promise<Reply> {
  const { address, seconds } = body;
  if (typeof address !== 'string') return refusal(400, 'address must be an address or a network such as 192.0.2.0/24');
  const isDuration = typeof seconds === 'number' && seconds > 0 && seconds <= MAX_BLOCK_SECONDS;
  if (seconds !== undefined && !isDuration) {
    return refusal(400, `seconds must be a number above 0, at most ${MAX_BLOCK_SECONDS}; leave it out for no end`);
  }
  const result = await control.block(address, isDuration ? seconds * 1000 : undefined);
  if (!result.ok) return told(result, {});
  const { address: blocked, until, warning } = result;
  return json(200, { address: blocked, until, warning });
}

async function unblock({ control, body }: ActionInput): Promise<Reply> {
  const { address } = body;
  if (typeof address !== 'string') return refusal(400, 'address must be one that GET /api/v1/blocked lists');
  return told(await control.unblock(address), { address });
}

async function reload({ control }: ActionInput): Promise<Reply> {
  const result = await control.reload();
  if (result.ok) return json(200, { reloaded: true });
  // 422: the request was understood, and the file cannot be used.
  return json(422, {
    error: 'the configuration was not taken; the one before stays in force',
    problems: result.problems,
  });
}

function told(result: ControlResult, done: object): Reply {
  return result.ok ? json(200, done) : refusal(STATUSES[result.reason], result.detail);
}

/** Undefined where the escapes are not UTF-8: no name is written like that. */
function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
