import { EjectionRecord } from '../balance/ejection.ts';
import { HealthState } from '../balance/health-state.ts';
import type { MemberState } from '../balance/member-state.ts';
import type { Member } from '../balance/policy.ts';
import type { PoolState } from '../balance/pool-state.ts';
import { effectiveWeight } from '../balance/slow-start.ts';
import type { Probe, ProbeResult } from './probe.ts';
import { startProbeLoop } from './probe-loop.ts';
import { startWeightRamp } from './weight-ramp.ts';

/** What an operator wishes of a backend. `drain` and `maint` take no new connections; `maint` is not probed either. */
export type AdministrativeState = 'ready' | 'drain' | 'maint';

/** A state that a watched member can be in. */
export type WatchedState = Exclude<MemberState, 'unused'>;

/** How members are watched; the same for all members of a service. */
export interface WatchSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
  /** 0 to 1: each interval is spread by up to this part of itself, either way. */
  readonly jitter: number;
  /** Length of a first ejection. */
  readonly ejectMs: number;
  /** 0: a member that comes back gets all of its weight at once. */
  readonly slowStartMs: number;
}

/** What was known of a member at last. */
export interface MemberPast {
  readonly state: WatchedState;
  /** Epoch milliseconds of the last change of state. */
  readonly sinceMs: number;
  /** Of that change; undefined while there was none. */
  readonly reason: string | undefined;
  /** Undefined before the first probe, and where there are none. */
  readonly lastProbe: ProbeResult | undefined;
}

export interface MemberWatchOptions {
  readonly member: Member;
  /** Undefined: the member is taken to be well until its connections fail. */
  readonly probe: Probe | undefined;
  readonly administrative: AdministrativeState;
  /**
   * How it was under the configuration before; undefined: it was not there. One that was down begins down, and takes
   * `rise` good probes to come up.
   */
  readonly earlier: MemberPast | undefined;
  readonly state: PoolState;
  readonly settings: WatchSettings;
  /** As Math.random. */
  readonly random: () => number;
  readonly onResult: (result: ProbeResult) => void;
  readonly onState: (from: WatchedState, to: WatchedState, reason: string) => void;
}

/**
 * Keeps one slot of the pool true to what is known of its member: the operator's wish, the probes, the ejection. A
 * member starts up, so that traffic flows before the first probe is back; the first result alone decides whether it
 * stays up, later ones in the number of `rise` and `fall`.
 */
export class MemberWatch implements Disposable {
  readonly #options: MemberWatchOptions;
  readonly #slot: number;
  readonly #ejections: EjectionRecord;
  #configuredWeight: number;
  #weightPart = 1;
  #administrative: AdministrativeState;
  #health: HealthState | undefined;
  #lastResult: ProbeResult | undefined;
  #visible: WatchedState;
  #sinceMs = Date.now();
  #reason: string | undefined;
  #loop: Disposable | undefined;
  #ramp: Disposable | undefined;
  #ejection: 'none' | 'running' | 'over' = 'none';
  #ejectionTimer: NodeJS.Timeout | undefined;

  constructor(options: MemberWatchOptions) {
    const { member, probe, state, settings, administrative, earlier } = options;
    this.#options = options;
    this.#slot = member.slot;
    this.#configuredWeight = member.weight;
    this.#administrative = administrative;
    // Without probes nothing would ever bring it up again.
    const wasDown = earlier?.state === 'down' && probe !== undefined;
    if (wasDown) this.#health = new HealthState({ rise: settings.rise, fall: settings.fall }, false);
    this.#ejections = new EjectionRecord(settings.ejectMs);
    this.#visible = this.#due();
    if (earlier?.state === this.#visible) this.#goOn(earlier);
    state.recordSuccess(this.#slot);
    state.setLimit(this.#slot, member.maxConnections);
    this.#setWeightPart(1);
    state.setState(this.#slot, this.#visible);
    this.#startLoop();
  }

  /** Nothing has happened to it but another configuration. */
  #goOn({ sinceMs, reason, lastProbe }: MemberPast): void {
    this.#sinceMs = sinceMs;
    this.#reason = reason;
    if (this.#options.probe !== undefined) this.#lastResult = lastProbe;
  }

  get state(): WatchedState {
    return this.#visible;
  }

  /** Epoch milliseconds of the last change of `state`. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Why `state` is what it is; undefined while it never changed. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** As configured, or set by an operator; while it starts slowly it gets less. */
  get weight(): number {
    return this.#configuredWeight;
  }

  get lastResult(): ProbeResult | undefined {
    return this.#lastResult;
  }

  setWeight(weight: number): void {
    this.#configuredWeight = weight;
    this.#setWeightPart(this.#weightPart);
  }

  setAdministrative(wish: AdministrativeState): void {
    if (wish === this.#administrative) return;
    const wasMaint = this.#administrative === 'maint';
    this.#administrative = wish;
    if (wish === 'maint') this.#stopLoop();
    // Nothing is known of a member that was not probed: it comes back like a new one.
    if (wasMaint) this.#forget();
    this.#publish(`set to ${wish} by the operator`);
    if (wasMaint) this.#startLoop();
  }

  /** Takes a member out whose connections keep failing. Only for one that is up. */
  eject(reason: string): void {
    const lengthMs = this.#ejections.begin(performance.now());
    const sentence = `ejected for ${lengthMs / 1000} s`;
    this.#ejection = 'running';
    this.#ejectionTimer = setTimeout(() => {
      this.#ejection = 'over';
      // Its probes may know better than the clock: while they fail, the next good one brings it back.
      if (this.#lastResult?.ok !== false) this.#endEjection(`was ${sentence}`);
    }, lengthMs);
    this.#publish(`${reason}; ${sentence}`);
  }

  /** Ends the watch. No callbacks any more; the slot stays as it is. */
  stop(): void {
    this.#stopLoop();
    clearTimeout(this.#ejectionTimer);
    this.#ramp?.[Symbol.dispose]();
  }

  /** Ends the watch and frees the slot. */
  [Symbol.dispose](): void {
    this.stop();
    this.#options.state.setState(this.#slot, 'unused');
  }

  #startLoop(): void {
    const { probe, settings, random } = this.#options;
    if (probe === undefined || this.#administrative === 'maint') return;
    const { intervalMs, timeoutMs, jitter } = settings;
    const onResult = (result: ProbeResult) => this.#onResult(result);
    this.#loop = startProbeLoop({ probe, intervalMs, timeoutMs, jitter, random, onResult });
  }

  #stopLoop(): void {
    this.#loop?.[Symbol.dispose]();
    this.#loop = undefined;
  }

  #onResult(result: ProbeResult): void {
    this.#options.onResult(result);
    // What this machine lacks says nothing about the member.
    if (!result.ok && result.reason === 'local') return;
    this.#lastResult = result;
    const { rise, fall } = this.#options.settings;
    const isFirst = this.#health === undefined;
    this.#health ??= new HealthState({ rise, fall }, result.ok);
    const isFlipped = isFirst ? !result.ok : this.#health.observe(result.ok);
    if (isFlipped && !result.ok) this.#clearEjection();
    if (isFlipped) this.#publish(reasonOf(result, isFirst ? 1 : result.ok ? rise : fall));
    if (result.ok && this.#ejection === 'over') this.#endEjection('probe passed after the ejection');
  }

  #endEjection(reason: string): void {
    this.#clearEjection();
    this.#publish(reason);
  }

  #clearEjection(): void {
    if (this.#ejection === 'none') return;
    clearTimeout(this.#ejectionTimer);
    this.#ejection = 'none';
    this.#ejections.end(performance.now());
  }

  #forget(): void {
    this.#health = undefined;
    this.#lastResult = undefined;
    this.#clearEjection();
  }

  #due(): WatchedState {
    if (this.#administrative !== 'ready') return this.#administrative;
    if (this.#health?.healthy === false) return 'down';
    return this.#ejection === 'none' ? 'up' : 'ejected';
  }

  #publish(reason: string): void {
    const { state, settings, onState } = this.#options;
    const from = this.#visible;
    const to = this.#due();
    if (from === to) return;
    this.#visible = to;
    this.#sinceMs = Date.now();
    this.#reason = reason;
    this.#ramp?.[Symbol.dispose]();
    const isRecovery = from === 'down' && to === 'up';
    this.#ramp = startWeightRamp(isRecovery ? settings.slowStartMs : 0, (part) => this.#setWeightPart(part));
    // Failures from before would throw the member out again at the first new one.
    if (to === 'up') state.recordSuccess(this.#slot);
    state.setState(this.#slot, to);
    onState(from, to, reason);
  }

  #setWeightPart(part: number): void {
    this.#weightPart = part;
    this.#options.state.setWeight(this.#slot, effectiveWeight(this.#configuredWeight, part));
  }
}

function reasonOf(result: ProbeResult, count: number): string {
  const probes = count === 1 ? '1 probe' : `${count} probes in a row`;
  return result.ok ? `${probes} passed` : `${probes} failed, last: ${result.reason} (${result.detail})`;
}
