import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import type { LoadedConfig } from '../config/load.ts';
import { hasStandardClient } from '../config/standard-client.ts';
import type { Problem } from '../errors.ts';
import type { Feed } from '../feeds/feed.ts';
import { type AccessLog, openAccessLog } from '../observe/access-log.ts';
import { type Logger, openLogger } from '../observe/logger.ts';
import type { SpanExporter } from '../observe/span-exporter.ts';
import type { StunnelHost } from '../stunnel/host.ts';
import type { ConfigWatch } from './config-watch.ts';
import { reportCrash } from './crash-report.ts';
import { Gateway } from './gateway.ts';
import { serviceLevels, serviceNames } from './log-levels.ts';
import type { LoadedService } from './material.ts';
import { createLogFiles, withRightsOf } from './privileges.ts';
import { ServiceManager } from './service-manager.ts';
import { handleSignals } from './signals.ts';

export interface RunOptions {
  readonly config: Config;
  readonly material: readonly LoadedService[];
  /** What checking the configuration had to say; nothing of it is an error. */
  readonly warnings: readonly Problem[];
  readonly version: string;
  /** Whether the log may be coloured where it goes to standard error. */
  readonly color: boolean;
  readonly complain: (text: string) => void;
  /** Begun before the configuration was read: it is loaded again when it changes. Undefined: only when asked to. */
  readonly watch?: ConfigWatch | undefined;
  /** Called when the gateway accepts connections. */
  readonly onReady?: (gateway: Gateway) => void;
  /** As whom a stunnel.conf is read when it is loaded again. */
  readonly host?: StunnelHost | undefined;
  /** Reads the configuration again where it is not simply its file. */
  readonly load?: (() => Promise<LoadedConfig>) | undefined;
  /** Whether it leaves its terminal once it is ready. */
  readonly background?: boolean | undefined;
}

/**
 * Runs a gateway until SIGTERM or SIGINT, then drains it. Throws what keeps it from starting. An end by signal is an
 * orderly end, whatever had to be cut: the log says how much that was.
 */
export async function run(options: RunOptions): Promise<void> {
  const { config, color, complain, background } = options;
  const stop = Promise.withResolvers<NodeJS.Signals>();
  const force = new AbortController();
  let stopCount = 0;
  let gateway: Gateway | undefined;
  let isReloadDue = false;
  const reopened: (() => void)[] = [];
  const reload = (): void => {
    const running = gateway;
    if (running === undefined) {
      // What it starts with was read before somebody asked for what is there now.
      isReloadDue = true;
      return;
    }
    // Its trouble is in the log; a mistake in this program ends it.
    manager.whileReloading(() => running.requestReload()).catch(crash);
  };
  // Before anything else: a signal that comes while starting must not kill half a gateway, nor wake the debugger.
  using _signals = handleSignals({
    onStop: (signal) => {
      stopCount += 1;
      if (stopCount === 1) stop.resolve(signal);
      else force.abort();
    },
    onReload: reload,
    onReopen: () => {
      for (const reopen of reopened) reopen();
    },
    onStatistics: () => {
      gateway?.logStatistics().catch(crash);
    },
  });
  await createLogFiles(config, logFilesOf(config));
  await using log = await withRightsOf(opener(config, config.log.file), () =>
    openLogger({
      ...config.log,
      ...{ color: color && config.log.file === '-', complain, background },
      serviceLevels: serviceLevels(config),
      serviceNames: serviceNames(config),
    }),
  );
  using _crash = background === true ? reportCrash(log) : undefined;
  await using access = await withRightsOf(opener(config, config.log.access), () => openAccess(config, log));
  await using spans = await openTraces(config, options.version, log);
  reopened.push(() => reopenLogs(log, access));
  tellStart(options, log);
  await using manager = new ServiceManager(process.env, log);
  const adminToken = await readAdminToken(config);
  await using feed =
    config.feeds === undefined ? undefined : await startFeed(config, log, () => gateway?.backendHosts ?? []);
  using _feedFiles = feed && (await followFeed(feed, log));
  gateway = await Gateway.start({
    config,
    material: options.material,
    version: options.version,
    log,
    access,
    spans,
    adminToken,
    feed,
    host: options.host ?? 'run',
    load: options.load,
  });
  await using running = gateway;
  manager.ready(running);
  using watch = options.watch;
  watch?.start(reload);
  options.onReady?.(running);
  if (isReloadDue) reload();
  const signal = await Promise.race([stop.promise, ...(hasStandardClient(config) ? [running.served()] : [])]);
  if (signal === undefined) return;
  log.log('terminated', { signal });
  // As it is in force now: it may have been loaded anew.
  const { drainDelayMs, drainTimeoutMs } = running.current.config;
  manager.stopping(drainDelayMs + drainTimeoutMs);
  await beUnready(running, drainDelayMs, force.signal, log);
  await feed?.stopTaking();
  const deadline = AbortSignal.any([force.signal, AbortSignal.timeout(drainTimeoutMs)]);
  await running.drain(deadline);
}

/** Goes on accepting for as long as those in front take to notice that the gateway is not ready any more. */
async function beUnready(gateway: Gateway, delayMs: number, force: AbortSignal, log: Logger): Promise<void> {
  if (delayMs === 0) return;
  gateway.announceDrain();
  log.log('unready', { delayMs });
  // A second signal ends the wait, and with it the drain.
  await delay(delayMs, undefined, { signal: force }).catch(() => {});
}

function tellStart({ config, warnings, version }: RunOptions, log: Logger): void {
  log.log('starting', { version, node: process.versions.node, openssl: process.versions.openssl });
  log.log('config-loaded', { file: config.file, format: config.format });
  for (const { file, line, severity, code, message } of warnings) {
    log.log('config-problem', { file, line, severity, code, text: message });
  }
  if (config.log.access === 'off' || config.log.accessFormat === 'json') return;
  for (const { name, protocol, redirectOf } of config.services) {
    if (protocol === 'tunnel' && redirectOf === undefined) log.log('access-format-ignored', { service: name });
  }
}

function logFilesOf({ log }: Config): readonly string[] {
  return [log.file, log.access].filter((file) => file !== '-' && file !== 'off');
}

/** As whom a log is opened. What is in /dev is root's, such as the standard output that root started the process with. */
function opener({ setuid, setgid }: Config, file: string): Pick<Config, 'setuid' | 'setgid'> {
  return file.startsWith('/dev/') ? { setuid: undefined, setgid: undefined } : { setuid, setgid };
}

async function readAdminToken({ admin }: Config): Promise<string | undefined> {
  if (admin.tokenFile === undefined) return undefined;
  const { loadToken } = await import('../observe/admin-guard.ts');
  return await loadToken(admin.tokenFile);
}

async function openAccess({ log: { access, accessFormat } }: Config, log: Logger): Promise<AccessLog | undefined> {
  return access === 'off' ? undefined : await openAccessLog({ file: access, format: accessFormat, log });
}

/** What nobody asked for is not even loaded. */
async function openTraces({ tracing }: Config, version: string, log: Logger): Promise<SpanExporter | undefined> {
  if (tracing.otlp === undefined) return undefined;
  const { SpanExporter } = await import('../observe/span-exporter.ts');
  return new SpanExporter({ url: tracing.otlp, version, log });
}

/** What nobody asked for is not even loaded. */
async function startFeed(config: Config, log: Logger, backends: () => readonly string[]): Promise<Feed> {
  const { openFeed } = await import('./open-feed.ts');
  return await openFeed(config, log, backends);
}

async function followFeed(feed: Feed, log: Logger): Promise<Disposable> {
  const { followFeedFiles } = await import('./feed-trust.ts');
  return followFeedFiles(feed, log);
}

function reopenLogs(log: Logger, access: AccessLog | undefined): void {
  // They tell themselves what they cannot open.
  Promise.all([log.reopen(), access?.reopen()]).catch(crash);
}

function crash(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
