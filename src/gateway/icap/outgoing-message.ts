import type { AddressedMember } from '../../health/membership.ts';
import { requestLine } from '../../icap/serialize.ts';
import type { OutgoingMessage } from './attempt.ts';
import type { ClientRequest } from './client-request.ts';
import type { IcapContext } from './icap-context.ts';

/** A client's request as one backend is to see it: newly written, but for the header blocks and the body. */
export function outgoingMessage(
  context: IcapContext,
  request: ClientRequest,
  { authority }: AddressedMember,
  clientIp: string | undefined,
  lines: string,
): OutgoingMessage {
  const { head, method, route, sections, store, isPreview, ending, may206 } = request;
  const fields = context.requestFields(head, {
    authority,
    preview: isPreview ? head.preview : undefined,
    allow204: head.allow204,
    allow206: may206,
    clientIp,
    lines,
  });
  return {
    method,
    // In clear, whatever scheme the client wrote.
    lines: `${requestLine(method, `icap://${authority}${route.path}${head.uri.query}`)}${fields}`,
    sections,
    body: head.encapsulated.body,
    store,
    // Without its preview the request is one body, however the client began it.
    ending: isPreview || ending === undefined ? ending : 'complete',
  };
}
