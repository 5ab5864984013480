import type { IcapProtocolError } from '../errors.ts';

const REASONS: Readonly<Record<number, string>> = {
  100: 'Continue',
  200: 'OK',
  204: 'No Modifications Needed',
  206: 'Partial Content',
  400: 'Bad Request',
  404: 'ICAP Service Not Found',
  405: 'Method Not Allowed For Service',
  408: 'Request Timeout',
  413: 'Request Too Large',
  500: 'Server Error',
  501: 'Method Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Overloaded',
  505: 'ICAP Version Not Supported',
};

/** The reason phrase of RFC 3507 4.3.3. It is for people: nobody may act on it. */
export function reasonPhrase(status: number): string {
  return REASONS[status] ?? 'Unknown';
}

/** The status that answers a client whose bytes were refused. The connection closes after it. */
export function statusOfProtocolError(error: IcapProtocolError): 400 | 505 {
  return error.code === 'ICAPGW_ICAP_BAD_VERSION' ? 505 : 400;
}
