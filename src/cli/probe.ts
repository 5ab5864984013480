import { styleText } from 'node:util';
import { type Command, InvalidArgumentError } from 'commander';
import { printable } from '../config/show.ts';
import { GatewayError } from '../errors.ts';
import type { Verdict } from '../icap/verdict.ts';
import type { ProbeTls } from '../probe/dial.ts';
import type { ProbeDocument } from '../probe/document.ts';
import type { ProbeOptions, ProbeReport } from '../probe/probe.ts';
import type { ModMethod, StatusAdvice } from '../probe/profile.ts';
import { type ProbeTarget, parseProbeTarget } from '../probe/target.ts';
import { type CliIo, hasColor } from './io.ts';
import { addProbeOptions, type ProbeFlags, TLS_FLAGS } from './probe-options.ts';

const HARMLESS_TEXT = 'This is a harmless text, sent by icapgw probe.\n';
const CONNECT_TIMEOUT_MS = 10_000;
/** For each check of `--all`, unless --timeout says otherwise. */
const CHECK_TIMEOUT_MS = 10_000;

const EXIT_CODES: Readonly<Record<Verdict, 0 | 1 | 3>> = { allowed: 0, modified: 0, blocked: 3, error: 1 };
const COLORS = { allowed: 'green', modified: 'yellow', blocked: 'red', error: 'red' } as const;

const EXAMPLES = `
Examples:
  $ icapgw probe icap://10.0.0.5:1344/reqmod             does a harmless text pass?
  $ icapgw probe icap://10.0.0.5/respmod --eicar         is the EICAR test string blocked?
  $ icapgw probe icap://10.0.0.5 --profile kata --file report.docx
  $ icapgw probe icap://10.0.0.5/reqmod --all            what does this server support, and what not?
  $ icapgw probe icaps://gw.example --profile symantec --text 'card 4111 1111 1111 1111' \\
      --cert client.pem --key client-key.pem --ca cert.pem
                                                         as a cloud service asks, over TLS on port 11344

Exit code: 0 allowed (also when changed), 3 blocked, 1 no verdict, 2 wrong usage or
a file of --ca, --cert, --key that cannot be used.
With --all: 0 documents are judged and no check failed, 1 otherwise.`;

/** Adds `probe URL`, which asks an ICAP server or a gateway for a verdict. */
export function addProbeCommand(program: Command, io: CliIo): void {
  const command = program
    .command('probe')
    .summary('send a document to an ICAP server and print its verdict')
    .description('Acts as an ICAP client: connects, asks for OPTIONS, sends a document and prints the verdict.')
    .argument('<url>', 'icap://HOST[:1344][/PATH], or icaps://HOST[:11344][/PATH] for TLS', parseUrl)
    .addHelpText('after', EXAMPLES);
  addProbeOptions(command, io.cwd).action(async (target: ProbeTarget, flags: ProbeFlags) => {
    refuseMisplaced(command, target, flags);
    if (flags.insecure === true) {
      io.stderr.write('icapgw: warning: --insecure: the server is not verified, anybody could answer in its place\n');
    }
    if (flags.all === true) await runAll(command, target, flags, io);
    else await runProbe(target, flags, io);
  });
}

async function runProbe(target: ProbeTarget, flags: ProbeFlags, io: CliIo): Promise<void> {
  const { probe } = await import('../probe/probe.ts');
  const options = await optionsFrom(target, flags, io);
  let report: ProbeReport;
  try {
    report = await probe(options);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    printFailure(error, flags, io);
    io.exit(1);
    return;
  }
  if (flags.json === true) io.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else await printReport(report, options.profile.advice, io);
  io.exit(EXIT_CODES[report.verdict]);
}

async function runAll(command: Command, target: ProbeTarget, flags: ProbeFlags, io: CliIo): Promise<void> {
  const { runSurvey } = await import('./probe-all.ts');
  const isGiven = command.getOptionValueSource('timeout') !== 'default';
  const checkMs = isGiven ? flags.timeout : CHECK_TIMEOUT_MS;
  const basis = await basisFrom(target, flags, io, checkMs);
  const virus = await documentFrom({ ...flags, eicar: true });
  try {
    await runSurvey({ ...basis, virus, largeBytes: flags.size, json: flags.json === true }, io);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    printFailure(error, flags, io);
    io.exit(1);
  }
}

async function optionsFrom(target: ProbeTarget, flags: ProbeFlags, io: CliIo): Promise<ProbeOptions> {
  return {
    ...(await basisFrom(target, flags, io, flags.timeout)),
    document: await documentFrom(flags),
    usePreview: flags.preview,
    allow204: flags[204],
    // Ctrl-C ends the program.
    cancel: new AbortController().signal,
  };
}

type Basis = Omit<ProbeOptions, 'document' | 'usePreview' | 'allow204' | 'cancel'>;

async function basisFrom(target: ProbeTarget, flags: ProbeFlags, io: CliIo, totalMs: number): Promise<Basis> {
  const { PROFILES } = await import('../probe/profile.ts');
  return {
    target,
    profile: PROFILES[flags.profile],
    method: flags.method?.toUpperCase() as ModMethod | undefined,
    fields: flags.header ?? [],
    tls: await tlsFrom(flags),
    timeouts: { connectMs: CONNECT_TIMEOUT_MS, silenceMs: totalMs, totalMs },
    trace: (direction, head) => {
      if (flags.verbose !== true) return;
      // Header blocks are whatever the server sent.
      const lines = head.trimEnd().split(/\r?\n/);
      io.stderr.write(lines.map((line) => `${direction} ${printable(line)}\n`).join(''));
    },
  };
}

async function documentFrom({ file, eicar, text }: ProbeFlags): Promise<ProbeDocument> {
  const { fileDocument, textDocument } = await import('../probe/document.ts');
  if (file !== undefined) return fileDocument(file);
  if (eicar === undefined) return textDocument('probe.txt', text ?? HARMLESS_TEXT);
  const { EICAR } = await import('../demo/eicar.ts');
  return textDocument('eicar.com', EICAR);
}

async function tlsFrom({ ca, cert, key, serverName, insecure }: ProbeFlags): Promise<ProbeTls> {
  const { loadCertificates } = await import('../tls/trust.ts');
  const { loadKeyPair } = await import('../tls/material.ts');
  return {
    trusted: ca === undefined ? [] : loadCertificates([ca]),
    keyPair:
      cert === undefined
        ? undefined
        : loadKeyPair({ certFile: cert, keyFile: key, passphraseFile: undefined, securityLevel: undefined }),
    serverName,
    verify: insecure !== true,
  };
}

async function printReport(report: ProbeReport, advice: StatusAdvice, io: CliIo): Promise<void> {
  const { reportLines, verdictWord } = await import('../probe/report.ts');
  const word = verdictWord(report);
  const lines = reportLines(report, Date.now(), advice).join('\n');
  const text = hasColor(io.stdout, io.env)
    ? lines.replace(new RegExp(`^${word}`, 'm'), styleText(COLORS[report.verdict], word, { validateStream: false }))
    : lines;
  io.stdout.write(`${text}\n`);
}

function printFailure(error: GatewayError, { json }: ProbeFlags, io: CliIo): void {
  if (json === true) {
    io.stdout.write(`${JSON.stringify({ verdict: 'error', code: error.code, reason: error.message }, null, 2)}\n`);
    return;
  }
  io.stderr.write(`icapgw: no verdict: ${printable(error.message)}\n`);
}

function parseUrl(text: string): ProbeTarget {
  // ICAP has neither, and what is never sent must not look as if it were.
  if (/^[^/]*:\/\/[^/?#]*@/.test(text)) {
    throw new InvalidArgumentError('ICAP knows no user in a URL: what a server wants to be told goes into --header.');
  }
  if (text.includes('#')) throw new InvalidArgumentError('What follows a # is never sent: leave it out, or write %23.');
  const target = parseProbeTarget(text);
  if (target === undefined) throw new InvalidArgumentError('It must be icap://HOST[:PORT][/PATH] or icaps://...');
  return target;
}

/** An option that would silently do nothing could make somebody believe in a protection that is not there. */
function refuseMisplaced(command: Command, { scheme }: ProbeTarget, flags: ProbeFlags): void {
  if (flags.all === undefined && command.getOptionValueSource('size') !== 'default') {
    command.error('error: --size is for --all');
  }
  const misplaced = scheme === 'icap' ? TLS_FLAGS.find((flag) => flags[flag] !== undefined) : undefined;
  if (misplaced !== undefined) {
    const name = misplaced === 'serverName' ? 'server-name' : misplaced;
    command.error(`error: --${name} is for TLS: use icaps:// in the URL`);
  }
  if (flags.key !== undefined && flags.cert === undefined) command.error('error: --key needs --cert');
}
