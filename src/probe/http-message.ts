import type { Section } from '../icap/encapsulated.ts';
import type { ProbeDocument } from './document.ts';
import type { ModMethod } from './profile.ts';

/** The host that cloud clients put files under which never had a URL. */
const HOST = 'misc';

/** The HTTP heads around a document: an upload for REQMOD, a download with its request for RESPMOD. */
export function httpSections(method: ModMethod, document: ProbeDocument): readonly Section[] {
  const url = `http://${HOST}/${encodeURIComponent(document.name)}`;
  const content = [`Content-Type: ${document.contentType}`, `Content-Length: ${document.sizeBytes}`];
  const common = [`Host: ${HOST}`, 'User-Agent: icapgw-probe', 'Accept: */*'];
  if (method === 'REQMOD') {
    return [{ part: 'req-hdr', bytes: head(`POST ${url} HTTP/1.1`, [...common, ...content]) }];
  }
  return [
    { part: 'req-hdr', bytes: head(`GET ${url} HTTP/1.1`, common) },
    { part: 'res-hdr', bytes: head('HTTP/1.1 200 OK', content) },
  ];
}

function head(startLine: string, fields: readonly string[]): Buffer {
  return Buffer.from([startLine, ...fields, '', ''].join('\r\n'), 'latin1');
}
