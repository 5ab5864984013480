import type { ModMethod } from '../config/icap-config.ts';
import { type Judgement, judge } from '../icap/verdict.ts';
import type { Problem } from './probe.ts';
import { printable } from './probe-failure.ts';
import { type ContentReply, sendContent, type TrialContent } from './trial-content.ts';
import type { Talk } from './visit.ts';

export interface DeepCheckTarget {
  readonly authority: string;
  readonly path: string;
  readonly method: ModMethod;
}

const CLEAN: TrialContent = {
  name: 'icapgw-clean.txt',
  contentType: 'text/plain',
  body: Buffer.from('icapgw asks whether content is judged. There is nothing to find in this text.\n'),
};

const INFECTED: TrialContent = {
  name: 'icapgw-eicar.com',
  contentType: 'application/octet-stream',
  // The industry's harmless test string, put together here so that no scanner stops at this file.
  body: Buffer.from(['X5O!P%@AP[4\\PZX54(P^)7CC)7}', '$EICAR-STANDARD-ANTIVIRUS-', 'TEST-FILE!$H+H*'].join('')),
};

/** Has a harmless text and the EICAR test file judged: the first one must pass, the second one must not. */
export async function deepCheck(talk: Talk, target: DeepCheckTarget): Promise<Problem | undefined> {
  return (
    (await talk((stream) => judgeClean(sendContent(stream, target, CLEAN), target))) ??
    (await talk((stream) => judgeInfected(sendContent(stream, target, INFECTED), target)))
  );
}

async function judgeClean(reply: Promise<ContentReply>, target: DeepCheckTarget): Promise<Problem | undefined> {
  const { verdict, threat } = judgementOf(await reply, target);
  if (verdict === 'error') return refusal(await reply, target, 'a harmless text');
  if (verdict !== 'blocked') return undefined;
  const named = threat === undefined ? '' : ` as '${printable(threat)}'`;
  return { reason: 'verdict', detail: `blocks a harmless text${named} (${placeOf(target)})` };
}

async function judgeInfected(reply: Promise<ContentReply>, target: DeepCheckTarget): Promise<Problem | undefined> {
  const { verdict } = judgementOf(await reply, target);
  if (verdict === 'error') return refusal(await reply, target, 'the EICAR test file');
  // Some replace the body and call that a success.
  const isStopped = verdict === 'blocked' || (verdict === 'modified' && (await reply).bodyChanged);
  if (isStopped) return undefined;
  return { reason: 'verdict', detail: `lets the EICAR test file pass (${placeOf(target)})` };
}

function judgementOf({ head, sent, received, bodyChanged }: ContentReply, { method }: DeepCheckTarget): Judgement {
  const { status, fields } = head;
  return judge({ method, sent, status, fields, received, bodyChanged });
}

function refusal({ head }: ContentReply, target: DeepCheckTarget, content: string): Problem {
  const status = printable(`${head.status} ${head.reason}`);
  return { reason: 'verdict', detail: `answered '${status}' to ${content} (${placeOf(target)})` };
}

function placeOf({ method, path }: DeepCheckTarget): string {
  return `${method} ${path}`;
}
