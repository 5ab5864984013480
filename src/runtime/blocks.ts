import type { Config } from '../config/config.ts';
import { FeedUnavailableError } from '../feeds/contract/feed-unavailable.ts';
import type { GatewayFeed } from '../feeds/contract/gateway-feed.ts';
import { BLOCK_SOURCES, type BlockedReport } from '../observe/blocked-report.ts';
import type { BlockedAddress, BlockResult, ControlResult } from '../observe/control.ts';
import type { Logger } from '../observe/logger.ts';
import type { BlockadeSnapshot } from '../policy/blockade.ts';
import { canonicalBlock } from './block-address.ts';
import { BlockFile } from './block-file.ts';
import { BlockGuard } from './block-guard.ts';
import { BlockKeeper } from './block-keeper.ts';
import { BlockListWatch } from './block-list-watch.ts';
import { reportBlocked } from './blocked-report.ts';
import { FeedBlocks } from './feed-blocks.ts';
import type { ToWorker } from './snapshot.ts';
import { stateFolderOf } from './state-folder.ts';

export interface BlocksOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Stays its owner's. */
  readonly feed: GatewayFeed | undefined;
  /** For all workers. */
  readonly tell: (message: Extract<ToWorker, { type: 'blocked' | 'listed' | 'feed-blocked' }>) => void;
}

/** How soon it is noticed that an address has come to be the gateway's own. */
const OWN_CHECK_MS = 1000;
const NOBODY: ReadonlySet<string> = new Set();
const TURNS_NOBODY_AWAY =
  'it turns nobody away here: this process serves no clients, and what operators block is not relayed; block it at a gateway, or in the SMC';

/** Everybody whom this gateway turns away, by its operators' word or a feed's, and what operators do about it. */
export class Blocks implements AsyncDisposable {
  readonly #options: BlocksOptions;
  readonly #keeper: BlockKeeper;
  readonly #file: BlockFile;
  readonly #feedBlocks: FeedBlocks | undefined;
  readonly #list: BlockListWatch;
  readonly #ownTimer: NodeJS.Timeout;
  #guard: BlockGuard;
  /** Whether anybody comes here who can be turned away: not to a connector. */
  #hasServices = false;
  /** Whom nobody but a feed's own rules may block, as the workers know it. */
  #exempt: readonly string[];

  constructor(options: BlocksOptions) {
    const { config, log, feed, tell } = options;
    this.#options = options;
    this.#guard = this.#guardOf(config);
    this.#exempt = this.#guard.exempt;
    this.#list = new BlockListWatch({
      log,
      isExempt: (network) => this.#guard.reasonAgainst(network) !== undefined,
      onChange: () => this.#tellListed(),
    });
    const folder = stateFolderOf(config, process.env);
    this.#file = new BlockFile({ folder, configFile: config.file, log, blocks: () => this.#keeper.blocks });
    this.#keeper = new BlockKeeper({
      log,
      kept: this.#file.load(),
      objection: (network) => this.#guard.objection(network),
      onChange: (networks) => {
        tell({ type: 'blocked', networks });
        // What could not be written is in the log.
        this.#file.save().catch(() => {});
      },
    });
    this.#feedBlocks =
      feed && new FeedBlocks({ queue: feed.queue, tell: (change) => tell({ type: 'feed-blocked', ...change }) });
    // What the configuration has come to allow since then.
    this.follow(config);
    const count = this.#keeper.blocks.length;
    if (count > 0) log.log('blocks-restored', { count });
    this.#ownTimer = setInterval(() => this.#followOwn(), OWN_CHECK_MS).unref();
  }

  /** For a worker that starts. */
  get snapshot(): BlockadeSnapshot {
    return {
      networks: this.#keeper.addresses,
      listed: this.#list.listed,
      exempt: this.#exempt,
      addresses: this.#feedBlocks?.addresses ?? [],
    };
  }

  /** How many addresses and networks each source has blocked; every known source is there. */
  get counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>(BLOCK_SOURCES.map((source) => [source, 0]));
    counts.set('manual', this.#keeper.blocks.length);
    counts.set('file', this.#list.blocks.length);
    for (const { source } of this.#options.feed?.queue.entries() ?? [])
      counts.set(source, (counts.get(source) ?? 0) + 1);
    return counts;
  }

  get blocked(): readonly BlockedAddress[] {
    return this.#keeper.blocked;
  }

  report(limit: number): BlockedReport {
    const [blocks, listed] = [this.#keeper.blocks, this.#list.blocks];
    return reportBlocked({ blocks, listed, feed: this.#options.feed, nowMs: Date.now(), limit });
  }

  /** Resolves when it is in the file too, or cannot be. */
  async block(text: string, ttlMs: number | undefined): Promise<BlockResult> {
    const result = this.#keeper.block(text, ttlMs);
    if (!result.ok) return result;
    const loss = await this.#file.save();
    const warnings = [
      ...(this.#hasServices ? [] : [TURNS_NOBODY_AWAY]),
      ...(loss === undefined ? [] : [`it does not outlive a restart: ${loss}`]),
    ];
    return warnings.length === 0 ? result : { ...result, warning: warnings.join('; ') };
  }

  async unblock(text: string): Promise<ControlResult> {
    const address = canonicalBlock(text);
    // Feeds block addresses, no networks.
    const found = address !== undefined && !address.includes('/') && (await this.#removeFound(address));
    if (found instanceof FeedUnavailableError) return { ok: false, reason: 'unavailable', detail: found.message };
    const result = this.#keeper.unblock(text);
    if (result.ok) await this.#file.save();
    else if (found) this.#options.log.log('address-unblocked', { address, cause: 'operator' });
    const place = this.#list.placeOf(address ?? '');
    if (place !== undefined) {
      return { ok: false, reason: 'guarded', detail: `${text} stays blocked by ${place}: take it out there` };
    }
    return found ? { ok: true } : result;
  }

  /** Goes by another configuration: lifts what operators had blocked and is never blocked from here on. Feeds do so themselves. */
  follow(config: Config): void {
    this.#guard = this.#guardOf(config);
    this.#hasServices = config.services.length > 0;
    this.#list.follow(config.blockList.file);
    this.#reconsider();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ownTimer);
    this.#list[Symbol.dispose]();
    this.#keeper[Symbol.dispose]();
    this.#feedBlocks?.[Symbol.dispose]();
    await this.#file.settled();
  }

  /** Names resolve, and interfaces change: what was blocked before must not stay so. */
  #followOwn(): void {
    if (!isSameList(this.#guard.exempt, this.#exempt)) this.#reconsider();
  }

  #reconsider(): void {
    const { exempt } = this.#guard;
    const isChanged = !isSameList(exempt, this.#exempt);
    this.#exempt = exempt;
    this.#keeper.lift((network) => this.#guard.reasonAgainst(network));
    this.#list.reconsider();
    if (isChanged) this.#tellListed();
  }

  #tellListed(): void {
    this.#options.tell({ type: 'listed', listed: this.#list.listed, exempt: this.#exempt });
  }

  /** Lifts what a feed has blocked, and says whether it had; where the disk does not take that, it stays blocked. */
  async #removeFound(address: string): Promise<boolean | FeedUnavailableError> {
    try {
      const wasThere = (await this.#options.feed?.queue.remove(address)) ?? false;
      this.#feedBlocks?.flush();
      return wasThere;
    } catch (error) {
      if (error instanceof FeedUnavailableError) return error;
      throw error;
    }
  }

  #guardOf({ blockList }: Config): BlockGuard {
    return new BlockGuard(blockList.allow, () => this.#options.feed?.own() ?? NOBODY);
  }
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index]);
}
