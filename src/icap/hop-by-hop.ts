/**
 * Fields, in lower case, that hold between two neighbours only or frame the message, and so are written anew for the next
 * neighbour or left out. Content-Length frames nothing in ICAP and must not seem to.
 */
export const HOP_BY_HOP_FIELDS: readonly string[] = [
  'connection',
  'content-length',
  'encapsulated',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** The same for requests, with what the gateway negotiates with each backend by itself. */
export const REGENERATED_FIELDS: readonly string[] = [...HOP_BY_HOP_FIELDS, 'allow', 'host', 'preview'];
