import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DocumentReader, fileDocument, textDocument } from '../../src/probe/document.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'icapgw-document-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function readAll(reader: DocumentReader): Promise<string> {
  let text = '';
  for (let piece = await reader.next(7); piece !== undefined; piece = await reader.next(7)) text += piece;
  return text;
}

describe('a document', () => {
  test('can be taken up again after its preview', async () => {
    const reader = new DocumentReader(textDocument('x', 'preview and the rest'));
    expect(String(await reader.take(7))).toBe('preview');
    expect(await readAll(reader)).toBe(' and the rest');
  });

  test('that is shorter than the preview is taken whole', async () => {
    const reader = new DocumentReader(textDocument('x', 'all'));
    expect(String(await reader.take(100))).toBe('all');
    expect(await reader.next(1)).toBeUndefined();
  });

  test('of a file is read in pieces', async () => {
    const path = join(folder, 'a b.bin');
    writeFileSync(path, 'x'.repeat(200_000));
    const document = fileDocument(path);
    expect(document).toMatchObject({ name: 'a b.bin', sizeBytes: 200_000, contentType: 'application/octet-stream' });
    const reader = new DocumentReader(document);
    expect(await reader.take(100_000)).toHaveLength(100_000);
    expect((await readAll(reader)).length).toBe(100_000);
  });

  test('of an empty file is empty', async () => {
    const path = join(folder, 'empty');
    writeFileSync(path, '');
    expect(await readAll(new DocumentReader(fileDocument(path)))).toBe('');
  });

  test('is not made of a folder, nor of nothing', () => {
    const failure = expect.objectContaining({ code: 'ICAPGW_PROBE_FILE' });
    expect(() => fileDocument(folder)).toThrow(failure);
    expect(() => fileDocument(join(folder, 'missing'))).toThrow(failure);
  });
});
