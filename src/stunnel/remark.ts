import { readItems, type StunnelSources } from './include.ts';
import type { Comment, Place, Statement } from './place.ts';
import { Report } from './report.ts';

/** What a remark is about: the file, its end, a whole section, or the one setting it stands above. */
export type RemarkSubject = 'file' | 'end' | 'section' | 'setting';

/** Comments that stand together, for a reader of the configuration. */
export interface Remark {
  readonly subject: RemarkSubject;
  /** For people without the mark; an option that is switched off as it is written, mark included. */
  readonly lines: readonly string[];
  /** The section it belongs to, counted from 0; undefined where that is none. */
  readonly section: number | undefined;
  /**
   * The line of that setting or section in the file that was named to the reader, or of the `include` that led there; 0 for
   * what is about neither.
   */
  readonly rootLine: number;
}

/** What a file says to its readers. */
export interface Remarks {
  readonly remarks: readonly Remark[];
  /** All sections, those without a remark too. */
  readonly sectionCount: number;
}

/** An option or a section that somebody switched off, as opposed to something said to a reader. */
const SWITCHED_OFF = /^(?:[\w.]+\s*=|\[.*\]$)/;

/**
 * The comments of a stunnel.conf and of what it includes, in their order. A comment right above a line is about that
 * line, one right below a line and one between blank lines about the section; with blank lines between, what stands before
 * a section is about that section, and what follows the last line of all is about the end.
 */
export function readRemarks(text: string, file: string, sources: StunnelSources): Remarks {
  const collector = new RemarkCollector(file);
  for (const item of readItems(text, file, sources, new Report())) collector.take(item);
  return collector.end();
}

class RemarkCollector {
  readonly #file: string;
  readonly #remarks: Remark[] = [];
  #section = -1;
  #sectionLine = 0;
  #lastStatement: Place | undefined;
  /** Blocks of comments since the last statement; a blank line begins another one. */
  #blocks: Comment[][] = [];

  constructor(file: string) {
    this.#file = file;
  }

  take(item: Statement | Comment): void {
    if (item.kind === 'comment') {
      const block = this.#blocks.at(-1);
      if (block !== undefined && isRightBelow(item.place, block.at(-1)?.place)) block.push(item);
      else this.#blocks.push([item]);
      return;
    }
    const { place } = item;
    const blocks = this.#blocks;
    this.#blocks = [];
    const above = isRightBelow(place, blocks.at(-1)?.at(-1)?.place) ? blocks.pop() : undefined;
    if (item.kind === 'section') this.#passSection(place, blocks, above);
    else this.#passSetting(place, blocks, above);
    this.#lastStatement = place;
  }

  end(): Remarks {
    for (const block of this.#blocks) {
      if (this.#lastStatement === undefined || this.#isBelowStatement(block)) this.#addAround(block);
      else this.#add('end', block, 0);
    }
    return { remarks: this.#remarks, sectionCount: this.#section + 1 };
  }

  #passSection(place: Place, blocks: readonly Comment[][], above: readonly Comment[] | undefined): void {
    // Before the first section stands what is about the file.
    const isAround = (block: readonly Comment[]) => this.#section < 0 || this.#isBelowStatement(block);
    const ahead = blocks.filter((block) => !isAround(block));
    for (const block of blocks) if (isAround(block)) this.#addAround(block);
    this.#section += 1;
    this.#sectionLine = place.rootLine;
    if (above !== undefined) ahead.push([...above]);
    for (const block of ahead) this.#addAround(block);
  }

  #passSetting(place: Place, blocks: readonly Comment[][], above: readonly Comment[] | undefined): void {
    for (const block of blocks) this.#addAround(block);
    if (above === undefined) return;
    const last = this.#lastStatement;
    // `;connect = B` between `connect = A` and `cert = C` is about A.
    const isAlternative = above.every(({ text }) => isSwitchedOff(text)) && this.#isBelowStatement(above);
    const subject = isAlternative && last !== undefined ? last : place;
    // Of lines that came from elsewhere the place in this file is not known.
    if (subject.file === this.#file) this.#add('setting', above, subject.rootLine);
    else this.#addAround(above);
  }

  #isBelowStatement(block: readonly Comment[]): boolean {
    return isRightBelow(block[0]?.place, this.#lastStatement);
  }

  /** About the section that stands around it. */
  #addAround(block: readonly Comment[]): void {
    this.#add(this.#section < 0 ? 'file' : 'section', block, this.#sectionLine);
  }

  #add(subject: RemarkSubject, block: readonly Comment[], rootLine: number): void {
    const lines = block.map(({ text }) => lineOf(text)).filter((line) => line !== '');
    if (lines.length === 0) return;
    this.#remarks.push({ subject, lines, section: this.#section < 0 ? undefined : this.#section, rootLine });
  }
}

function isRightBelow(place: Place | undefined, above: Place | undefined): boolean {
  return place !== undefined && above !== undefined && place.file === above.file && place.line === above.line + 1;
}

function isSwitchedOff(text: string): boolean {
  return SWITCHED_OFF.test(withoutMark(text));
}

function withoutMark(text: string): string {
  return text.replace(/^[#;]+\s?/, '').trimEnd();
}

/** Without its mark and the frames that people draw around headings; empty when nothing is left. */
function lineOf(text: string): string {
  if (isSwitchedOff(text)) return text;
  const unframed = withoutMark(text)
    .replace(/^\*+\s*/, '')
    .replace(/\s*\*+$/, '');
  return /[\p{L}\p{N}]/u.test(unframed) ? unframed : '';
}
