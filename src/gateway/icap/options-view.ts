import type { MemberOptions, PathOptions } from '../../health/path-options.ts';
import { aggregateIstag } from '../../icap/istag.ts';
import type { ServiceContext } from '../context.ts';

/** What one worker knows of what the backends say about their paths. */
export class OptionsView {
  readonly #service: ServiceContext;
  #paths: ReadonlyMap<string, readonly MemberOptions[]> = new Map();
  readonly #istags: Map<string, string | undefined> = new Map();
  readonly #learning: Set<string> = new Set();
  readonly #waiting: Set<() => void> = new Set();

  constructor(service: ServiceContext) {
    this.#service = service;
  }

  /** Replaces everything. */
  set(paths: readonly PathOptions[]): void {
    this.#paths = new Map(paths.map(({ path, members }) => [path, members]));
    this.forgetTags();
    for (const { path } of paths) this.#learning.delete(path);
    for (const onChange of [...this.#waiting]) onChange();
  }

  /** What is known of a path; undefined: nobody has been asked. Those whose member is up come first. */
  of(path: string): readonly MemberOptions[] | undefined {
    return this.#paths.get(path);
  }

  /** Whether every member was asked and has answered or failed. */
  isSettled(path: string): boolean {
    return this.#paths.has(path);
  }

  isUp({ slot }: MemberOptions): boolean {
    return this.#service.pool.stateOf(slot) === 'up';
  }

  /** Makes the control plane ask about a path that it does not know. */
  learn(path: string): void {
    if (this.#paths.has(path) || this.#learning.has(path)) return;
    // A client that invents paths must not fill this one either.
    if (this.#learning.size > 256) this.#learning.clear();
    this.#learning.add(path);
    this.#service.learnPath(path);
  }

  /** Calls back at each change until the returned function is called. */
  onChange(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  /** Whether this member is known not to serve the path while another one does. */
  isDenied(path: string, slot: number): boolean {
    const members = this.#paths.get(path);
    if (members === undefined) return false;
    const own = members.find((member) => member.slot === slot);
    if (own === undefined || !isDenial(own.status)) return false;
    return members.some((member) => member.options !== undefined && this.isUp(member));
  }

  /** The one tag of the path's backends; undefined where the backends' own are to be passed on, or none is known. */
  istag(path: string): string | undefined {
    if (this.#service.config.icap.istag === 'passthrough') return undefined;
    if (!this.#istags.has(path)) this.#istags.set(path, this.#aggregate(path));
    return this.#istags.get(path);
  }

  /** The states of backends may have changed, and the tags with them. */
  forgetTags(): void {
    this.#istags.clear();
  }

  #aggregate(path: string): string | undefined {
    const members = this.#paths.get(path) ?? [];
    const tagsOf = (some: readonly MemberOptions[]): string[] =>
      some.flatMap(({ options }) => (options?.istag === undefined ? [] : [options.istag]));
    const healthy = tagsOf(members.filter((member) => this.isUp(member)));
    const tags = healthy.length > 0 ? healthy : tagsOf(members);
    return tags.length === 0 ? undefined : aggregateIstag(tags);
  }
}

function isDenial(status: number): boolean {
  return status === 404 || status === 405;
}
