import { formatSize } from '../config/quantity.ts';
import type { ProbeDocument } from './document.ts';
import type { ModResult } from './exchange.ts';
import type { ProbeSession } from './session.ts';
import type { SurveyBench } from './survey-bench.ts';
import { harmlessDocument } from './survey-documents.ts';
import { type Asked, eicarFinding, harmlessFinding, no, previewFinding, wholeFinding, yes } from './survey-finding.ts';
import type { CheckName, Finding } from './survey-report.ts';

export interface MethodPlan extends Asked {
  readonly path: string;
  /** What OPTIONS offer; undefined: none. */
  readonly previewBytes: number | undefined;
  /** What every virus scanner blocks. */
  readonly virus: ProbeDocument;
  /** Of the large body. */
  readonly largeBytes: number;
  /** Whether OPTIONS had an answer in ICAP, whatever it said. */
  readonly isAnswered: boolean;
}

interface Sending {
  readonly document: ProbeDocument;
  readonly allow204?: boolean;
  readonly previewBytes?: number;
}

const SMALL_BYTES = 47;
const MAX_PREVIEW_BYTES = 64 * 1024;
const KEEP_ALIVE_REQUESTS = 3;

/** Sends every kind of document by one method. Stops early where the server does not answer at all. */
export async function surveyMethod(bench: SurveyBench, plan: MethodPlan): Promise<void> {
  await new MethodSurvey(bench, plan).run();
}

class MethodSurvey {
  readonly #bench: SurveyBench;
  readonly #plan: MethodPlan;
  readonly #says204: Set<'plain' | 'preview'> = new Set();
  #sendsBack = false;

  constructor(bench: SurveyBench, plan: MethodPlan) {
    this.#bench = bench;
    this.#plan = plan;
  }

  async run(): Promise<void> {
    const { largeBytes, isAnswered } = this.#plan;
    const small = harmlessDocument(SMALL_BYTES);
    const large = harmlessDocument(largeBytes);
    const largeName = `large body, ${formatSize(largeBytes)}`;
    const error = await this.#harmless('clean', 'harmless text', { document: small });
    // Each of the other checks would wait as long, or say the same.
    if (error !== undefined && (error.code === 'ICAPGW_UPSTREAM_TIMEOUT' || !isAnswered)) return;
    await this.#whole('no-204', 'harmless, 204 not allowed', { document: small });
    await this.#harmless('empty', 'no body', { document: harmlessDocument(0) });
    await this.#check('eicar', 'EICAR test string', { document: this.#plan.virus }, (result) =>
      eicarFinding(this.#plan, result),
    );
    await this.#previews();
    await this.#harmless('large', largeName, { document: large });
    await this.#whole('large-no-204', `${largeName}, no 204`, { document: large });
    await this.#keepAlive(small);
    this.#tell204();
  }

  async #previews(): Promise<void> {
    const { previewBytes } = this.#plan;
    if (previewBytes === undefined) {
      this.#bench.note(this.#subject('preview', 'previews'), no('OPTIONS offer none', undefined), undefined);
      return;
    }
    const full = Math.min(previewBytes, MAX_PREVIEW_BYTES);
    const half = Math.floor(full / 2);
    await this.#preview('preview-0', 0, full + SMALL_BYTES);
    if (half > 0) await this.#preview('preview-half', half, full + SMALL_BYTES);
    if (full === 0) return;
    await this.#preview('preview-full', full, full + SMALL_BYTES);
    await this.#preview('preview-ieof', full, full);
  }

  async #preview(name: CheckName, previewBytes: number, sizeBytes: number): Promise<void> {
    const isAll = previewBytes === sizeBytes;
    const label = `preview of ${previewBytes}${isAll ? ', all there is' : ''}`;
    const sending: Sending = { document: harmlessDocument(sizeBytes), previewBytes };
    await this.#check(name, label, sending, (result) => {
      if (result.reply.head.status === 204 && result.endedInPreview) this.#says204.add('preview');
      return previewFinding(this.#plan, result, sizeBytes, isAll);
    });
  }

  #harmless(name: CheckName, label: string, sending: Sending): ReturnType<SurveyBench['check']> {
    return this.#check(name, label, sending, (result) => {
      // Nobody needs permission for a 204 where there was nothing to send back.
      const { status } = result.reply.head;
      if (status === 204 && sending.document.sizeBytes > 0) this.#says204.add('plain');
      const finding = harmlessFinding(this.#plan, result, sending.document.sizeBytes);
      if (finding.result === 'yes' && status === 200) this.#sendsBack = true;
      return finding;
    });
  }

  async #whole(name: CheckName, label: string, { document }: Sending): Promise<void> {
    await this.#check(name, label, { document, allow204: false }, (result) =>
      wholeFinding(this.#plan, result, document.sizeBytes),
    );
  }

  #check(
    name: CheckName,
    label: string,
    sending: Sending,
    judge: (result: ModResult) => Finding,
  ): ReturnType<SurveyBench['check']> {
    return this.#bench.check(this.#subject(name, label), async (session) => judge(await this.#send(session, sending)));
  }

  async #keepAlive(document: ProbeDocument): Promise<void> {
    await this.#bench.check(this.#subject('keep-alive', 'keep-alive'), async (session) => {
      const first = await session.connect();
      for (let count = 1; count <= KEEP_ALIVE_REQUESTS; count += 1) {
        const { reply } = await this.#send(session, { document });
        const isLast = count === KEEP_ALIVE_REQUESTS;
        if (!isLast && (await session.connect()) !== first) {
          const word = reply.head.close ? 'says Connection: close' : 'closes the connection';
          return no(`${word} after ${count === 1 ? 'one request' : `${count} requests`}`, reply.head.status);
        }
      }
      return yes(`${KEEP_ALIVE_REQUESTS} requests on one connection`, undefined);
    });
  }

  #tell204(): void {
    const has = (when: 'plain' | 'preview'): boolean => this.#says204.has(when);
    // Nothing but errors and blocks: nobody knows.
    if (this.#says204.size === 0 && !this.#sendsBack) return;
    const subject = this.#subject('204', '204 for what it leaves alone');
    const detail = has('plain') ? (has('preview') ? 'with and without a preview' : 'where the request allows it') : '';
    const finding = detail !== '' ? yes(detail, 204) : has('preview') ? yes('only after a preview', 204) : undefined;
    this.#bench.note(subject, finding ?? no('sends every document back', undefined), undefined);
  }

  async #send(session: ProbeSession, { document, allow204 = true, previewBytes }: Sending): Promise<ModResult> {
    const { method, path } = this.#plan;
    return await this.#bench.send(await session.connect(), { method, path, document, allow204, previewBytes });
  }

  #subject(name: CheckName, label: string): Parameters<SurveyBench['note']>[0] {
    const { method, path } = this.#plan;
    return { method, name, label, path };
  }
}
