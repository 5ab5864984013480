import type { Section } from '../../icap/encapsulated.ts';
import { httpField } from '../../icap/http-head.ts';
import type { ContentMethod } from '../../observe/labels.ts';

const DECIMAL = /^\d{1,15}$/;

/** What the HTTP message says its body will be, in bytes; 0 where it does not say. */
export function announcedBytes(method: ContentMethod, sections: readonly Section[]): number {
  const part = method === 'REQMOD' ? 'req-hdr' : 'res-hdr';
  const header = sections.find((section) => section.part === part)?.bytes;
  const length = header === undefined ? undefined : httpField(header, 'content-length');
  return length !== undefined && DECIMAL.test(length) ? Number(length) : 0;
}
