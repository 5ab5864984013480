import { Document, isMap, isScalar, isSeq, type Node } from 'yaml';
import { ROOT, type Settings } from './schema/root-schema.ts';

/** Comments for a written configuration, without marks; several lines are separated by line breaks. */
export interface NativeComments {
  /** At the top of the file. */
  readonly head: string;
  /** Above each service, by its position; empty: none. */
  readonly services: readonly string[];
}

/** Writes settings as native YAML: only what differs from the defaults, in the order of the documentation. */
export function formatNative(settings: Settings, comments: NativeComments): string {
  const document = new Document(ROOT.write(settings));
  document.commentBefore = toComment(comments.head);
  const services = document.get('services', true);
  if (isSeq<Node>(services)) {
    for (const [index, service] of services.items.entries()) {
      const comment = comments.services[index] ?? '';
      if (comment !== '') service.commentBefore = toComment(comment);
      service.spaceBefore = index > 0;
    }
  }
  separateSections(document);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

// A blank line above each key of the top level but the first.
function separateSections(document: Document): void {
  if (!isMap(document.contents)) return;
  for (const [index, { key }] of document.contents.items.entries()) {
    if (index > 0 && isScalar(key)) key.spaceBefore = true;
  }
}

function toComment(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : ` ${line}`))
    .join('\n');
}
