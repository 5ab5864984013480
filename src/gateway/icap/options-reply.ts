import type { MemberOptions } from '../../health/path-options.ts';
import { optionsFields } from '../../icap/options-answer.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import { statusLine } from '../../icap/serialize.ts';
import { reasonPhrase } from '../../icap/status.ts';
import type { IcapContext } from './icap-context.ts';
import { DEFAULT_ISTAG, type LocalFields, statusAnswer } from './local-answer.ts';

/** What a client that asks OPTIONS for one of its paths is to hear about. */
interface PathUse {
  /** As backends know it. */
  readonly path: string;
  /** Undefined: whatever the backends do. */
  readonly methods: readonly string[] | undefined;
  readonly backends: ReadonlySet<number> | undefined;
}

/** What does not come from the backends. */
type BaseFields = Omit<LocalFields, 'istag'>;

/** The answer to one OPTIONS: its status and its bytes. */
export interface OptionsReply {
  readonly status: number;
  readonly istag: string | undefined;
  readonly text: string;
}

/**
 * Answers a client's OPTIONS from what the backends have said. Backends are not asked for it, unless nobody knows the
 * path yet: then the answer waits for theirs, up to `health.timeout`. Returns a function that gives up.
 */
export function answerOptions(
  context: IcapContext,
  head: RequestHead,
  base: BaseFields,
  onReply: (reply: OptionsReply) => void,
): () => void {
  const { options, service } = context;
  const { path } = head.uri;
  const isMonitor = path === '/' && service.config.icap.monitorReplies;
  if (isMonitor && !isAnyUp(context)) {
    onReply(statusReply(503, base));
    return () => {};
  }
  const uses = usesOf(context, path);
  if (uses.length === 0 && !isMonitor) {
    onReply(statusReply(404, base));
    return () => {};
  }
  const missing = uses.filter((use) => !options.isSettled(use.path));
  for (const use of missing) options.learn(use.path);
  if (missing.length === 0 || isMonitor) {
    onReply(replyFor(context, uses, isMonitor, base));
    return () => {};
  }
  const finish = (): void => {
    stop();
    onReply(replyFor(context, uses, isMonitor, base));
  };
  const deadline = setTimeout(finish, service.config.health.timeoutMs);
  const forget = options.onChange(() => {
    if (missing.every((use) => options.isSettled(use.path))) finish();
  });
  const stop = (): void => {
    clearTimeout(deadline);
    forget();
  };
  return stop;
}

function replyFor(context: IcapContext, uses: readonly PathUse[], isMonitor: boolean, base: BaseFields): OptionsReply {
  const { options, service } = context;
  const known = uses.flatMap((use) =>
    (options.of(use.path) ?? []).filter(({ backend }) => use.backends === undefined || use.backends.has(backend)),
  );
  const answered = known.filter((member) => member.options !== undefined);
  const isDenied = answered.length === 0 && known.some(({ status }) => status === 404 || status === 405);
  if (isDenied && !isMonitor) return statusReply(404, base);
  const healthy = answered.filter((member) => options.isUp(member));
  const used = healthy.length > 0 ? healthy : answered;
  const nowMs = Date.now();
  const first = uses[0];
  const istag = (first === undefined ? undefined : options.istag(first.path)) ?? soleTag(used) ?? DEFAULT_ISTAG;
  const lines = optionsFields(
    used.flatMap(({ options: said, fetchedAtMs }) =>
      said === undefined ? [] : [{ options: said, ageMs: nowMs - fetchedAtMs }],
    ),
    {
      methods: methodsOf(uses),
      maxConnections: placesOf(context, used),
      istag,
      isDegraded: healthy.length < new Set(service.config.backends).size,
      nowMs,
    },
  );
  const closing = base.close ? 'Connection: close\r\n' : '';
  const text = `${statusLine(200, reasonPhrase(200))}${lines}${base.own?.line ?? ''}${closing}Encapsulated: null-body=0\r\n\r\n`;
  return { status: 200, istag, text };
}

function statusReply(status: number, base: BaseFields): OptionsReply {
  return { status, istag: undefined, text: statusAnswer(status, { istag: undefined, ...base }) };
}

/** Places at all backends together; undefined where one has no limit. */
function placesOf({ service }: IcapContext, members: readonly MemberOptions[]): number | undefined {
  let sum = 0;
  for (const slot of new Set(members.map((member) => member.slot))) {
    const limit = service.pool.configuredLimitOf(slot);
    if (limit === 0) return undefined;
    sum += limit;
  }
  return sum === 0 ? undefined : sum;
}

/** With `istag: passthrough` a pool that agrees has its own tag. */
function soleTag(members: readonly MemberOptions[]): string | undefined {
  return members.find(({ options }) => options?.istag !== undefined)?.options?.istag;
}

/** Whether any backend takes requests. */
export function isAnyUp({ service }: IcapContext): boolean {
  for (let slot = 0; slot < service.pool.slots; slot += 1) if (service.pool.stateOf(slot) === 'up') return true;
  return false;
}

function methodsOf(uses: readonly PathUse[]): readonly string[] | undefined {
  if (uses.some(({ methods }) => methods === undefined)) return undefined;
  return [...new Set(uses.flatMap(({ methods }) => methods ?? []))];
}

function usesOf({ service, route }: IcapContext, path: string): readonly PathUse[] {
  const { routes } = service.config.icap;
  const methods = (['REQMOD', 'RESPMOD'] as const).filter((method) => typeof route(method, path) !== 'string');
  const uses = new Map<string, PathUse>();
  for (const method of methods) {
    const found = route(method, path);
    if (typeof found === 'string') continue;
    const key = `${found.path} ${[...(found.backends ?? [])].join()}`;
    const before = uses.get(key);
    const both = routes.length === 0 ? undefined : [...(before?.methods ?? []), method];
    uses.set(key, { path: found.path, methods: both, backends: found.backends });
  }
  return [...uses.values()];
}
