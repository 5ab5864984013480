/** What a block page can say. Everything is escaped before it stands in the HTML. */
export interface BlockPageValues {
  readonly service: string;
  /** Why: a sentence for the person who reads the page. */
  readonly reason: string;
  /** Identifies the transaction in the log. */
  readonly connection: string;
  readonly time: string;
}

/** An HTTP response: its header block, with the blank line, and its body. */
export interface BlockPageMessage {
  readonly header: Buffer;
  readonly body: Buffer;
}

export type BlockPage = (values: BlockPageValues) => BlockPageMessage;

/** Larger ones would cost more than the answer they stand in for: they are built for every blocked request. */
export const MAX_BLOCK_PAGE_BYTES: number = 256 * 1024;

const NAMES = ['service', 'reason', 'connection', 'time'] as const satisfies readonly (keyof BlockPageValues)[];

const PLACEHOLDER = /\{\{([^{}]*)\}\}/g;

const DEFAULT_TEMPLATE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Blocked</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}small{color:#666}</style>
</head>
<body>
<h1>This content was blocked</h1>
<p>{{reason}}</p>
<p>If you need it, pass the line below to your administrator.</p>
<p><small>service {{service}}, connection {{connection}}, {{time}}</small></p>
</body>
</html>
`;

/** What is wrong with a template, for `check`; undefined: nothing. */
export function blockPageProblem(template: string): string | undefined {
  if (Buffer.byteLength(template) > MAX_BLOCK_PAGE_BYTES) return `is larger than ${MAX_BLOCK_PAGE_BYTES} bytes`;
  const unknown = [...template.matchAll(PLACEHOLDER)].map(([, name = '']) => name.trim()).find((name) => !isName(name));
  return unknown === undefined
    ? undefined
    : `holds the unknown placeholder {{${unknown}}}; there are ${NAMES.map((name) => `{{${name}}}`).join(', ')}`;
}

/**
 * Compiles a template that `blockPageProblem` has nothing against; undefined: the page icapgw comes with. Each call of
 * the result makes a whole HTTP/1.1 403 response.
 */
export function createBlockPage(template: string | undefined): BlockPage {
  // Text at even positions, placeholders between them.
  const parts = (template ?? DEFAULT_TEMPLATE).split(PLACEHOLDER).map((part, index) => {
    const name = part.trim();
    return index % 2 === 1 && isName(name) ? (values: BlockPageValues) => values[name] : part;
  });
  return (values) => {
    const body = Buffer.from(
      parts.map((part) => (typeof part === 'string' ? part : escapeHtml(part(values)))).join(''),
    );
    const header = Buffer.from(
      'HTTP/1.1 403 Forbidden\r\n' +
        'Content-Type: text/html; charset=utf-8\r\n' +
        `Content-Length: ${body.length}\r\n` +
        'Cache-Control: no-store\r\n' +
        'X-Content-Type-Options: nosniff\r\n\r\n',
    );
    return { header, body };
  };
}

function isName(text: string): text is keyof BlockPageValues {
  return NAMES.some((name) => name === text);
}

const ESCAPED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ESCAPED[character] ?? '');
}
