import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { styleText } from 'node:util';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { GatewayError } from '../errors.ts';
import { type Field, TOKEN } from '../icap/field.ts';
import type { ProbeTls } from '../probe/dial.ts';
import type { ProbeDocument } from '../probe/document.ts';
import type { ProbeReport } from '../probe/probe.ts';
import type { ModMethod, ProfileName } from '../probe/profile.ts';
import { type ProbeTarget, parseProbeTarget } from '../probe/target.ts';
import { type CliIo, hasColor } from './io.ts';

const HARMLESS_TEXT = 'This is a harmless text, sent by icapgw probe.\n';
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1000;
const PROFILE_NAMES: readonly ProfileName[] = ['reqmod', 'respmod', 'symantec', 'forcepoint', 'kata', 'ddan'];
/** What the probe itself says about the message. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['encapsulated', 'preview', 'transfer-encoding']);

const EXAMPLES = `
Examples:
  $ icapgw probe icap://10.0.0.5:1344/reqmod              is there an ICAP server, and does it pass a harmless text?
  $ icapgw probe icap://10.0.0.5/respmod --eicar          does it block the EICAR test string?
  $ icapgw probe icaps://gw.example:11344 --profile symantec --file report.docx \\
      --cert client.pem --key client-key.pem --ca cert.pem
                                                          the way a cloud service asks, with a client certificate
  $ icapgw probe icap://10.0.0.5 --profile kata --text 'card 4111 1111 1111 1111' --json

Exit code: 0 allowed (or let through changed), 3 blocked, 1 no verdict, 2 usage.`;

interface Flags {
  readonly file?: ProbeDocument;
  readonly eicar?: true;
  readonly text?: string;
  readonly profile: ProfileName;
  readonly method?: ModMethod;
  readonly preview: boolean;
  readonly 204: boolean;
  readonly header: readonly Field[];
  readonly timeout: number;
  readonly cert?: string;
  readonly key?: string;
  readonly keyPassphraseFile?: string;
  readonly ca: readonly string[];
  readonly serverName?: string;
  readonly insecure?: true;
  readonly json?: true;
  readonly verbose?: true;
}
