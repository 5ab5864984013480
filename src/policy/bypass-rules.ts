import type { IcapConfig, ModMethod } from '../config/icap-config.ts';
import type { BodyPart, Section } from '../icap/encapsulated.ts';
import { httpFields, httpRequestLine } from '../icap/http-head.ts';
import { extensionOf, offeredNames, pathOf } from './file-name.ts';

/** Which of the rules lets a transaction pass without asking a backend. */
export type BypassRule = 'content-type' | 'extension' | 'url-only' | 'file-type';

/** More of a body than this tells nothing more about its type. */
export const FILE_TYPE_BYTES = 4100;

/** What need not be scanned. When in doubt nothing here applies, so that a backend is asked. */
export interface BypassRules {
  /** Whether `byBody` can say anything: only then is it worth to wait for the first bytes of a body. */
  readonly needsBody: boolean;
  /** `body` is what follows the header blocks, as Encapsulated announces it. */
  byHead(method: ModMethod, sections: readonly Section[], body: BodyPart): BypassRule | undefined;
  /** `first` is the beginning of a body, at best `FILE_TYPE_BYTES` of it or all. Never rejects for what the bytes are. */
  byBody(first: Buffer): Promise<BypassRule | undefined>;
}

/** Undefined when no rule is configured. */
export function createBypassRules(config: IcapConfig['bypass']): BypassRules | undefined {
  const contentTypes = new NameSet(config.contentTypes);
  const extensions = new NameSet(config.extensions);
  const fileTypes = new NameSet(config.fileTypes);
  const { urlOnlyRespmod } = config;
  if (contentTypes.isEmpty && extensions.isEmpty && fileTypes.isEmpty && !urlOnlyRespmod) return undefined;
  return {
    needsBody: !fileTypes.isEmpty,
    byHead(method, sections, body) {
      if (urlOnlyRespmod && method === 'RESPMOD' && body === 'null-body') return 'url-only';
      if (!contentTypes.isEmpty && hasContentType(contentTypes, method, sections)) return 'content-type';
      return !extensions.isEmpty && hasExtension(extensions, method, sections) ? 'extension' : undefined;
    },
    async byBody(first) {
      return (await hasFileType(fileTypes, first)) ? 'file-type' : undefined;
    },
  };
}

/** Names without regard to case; `image/*` stands for all that begin with `image/`. */
class NameSet {
  readonly #names: ReadonlySet<string>;
  readonly #families: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    const lower = names.map((name) => name.toLowerCase());
    this.#names = new Set(lower.filter((name) => !name.endsWith('/*')));
    this.#families = new Set(lower.filter((name) => name.endsWith('/*')).map((name) => name.slice(0, -2)));
  }

  get isEmpty(): boolean {
    return this.#names.size === 0 && this.#families.size === 0;
  }

  has(name: string): boolean {
    return this.#names.has(name.toLowerCase());
  }

  /** A MIME type as it stands in a header, with parameters or without. */
  hasMime(value: string): boolean {
    const [type = ''] = value.split(';', 1);
    const name = type.trim().toLowerCase();
    const [family = ''] = name.split('/', 1);
    return this.#names.has(name) || this.#families.has(family);
  }
}

function blockOf(sections: readonly Section[], part: Section['part']): Buffer | undefined {
  return sections.find((section) => section.part === part)?.bytes;
}

function hasContentType(types: NameSet, method: ModMethod, sections: readonly Section[]): boolean {
  const block = blockOf(sections, method === 'REQMOD' ? 'req-hdr' : 'res-hdr');
  const values = block === undefined ? [] : httpFields(block, 'content-type');
  // Clients differ in which of two counts.
  return values.length > 0 && values.every((value) => types.hasMime(value));
}

function hasExtension(extensions: NameSet, method: ModMethod, sections: readonly Section[]): boolean {
  const names = namesOf(method, sections);
  return (
    names.length > 0 &&
    names.every((name) => {
      const extension = extensionOf(name);
      return extension !== undefined && extensions.has(extension);
    })
  );
}

// A download is saved under the names its server offers, whatever the URL looks like.
function namesOf(method: ModMethod, sections: readonly Section[]): readonly string[] {
  const response = method === 'RESPMOD' ? blockOf(sections, 'res-hdr') : undefined;
  const dispositions = response === undefined ? [] : httpFields(response, 'content-disposition');
  const offered = dispositions.flatMap((value) => offeredNames(value));
  if (offered.length > 0) return offered;
  const request = blockOf(sections, 'req-hdr');
  const path = request === undefined ? undefined : pathOf(httpRequestLine(request)?.target ?? '');
  return path === undefined ? [] : [path];
}

async function hasFileType(types: NameSet, first: Buffer): Promise<boolean> {
  // Loaded by the first body that needs it: it costs 11 MB and 50 ms that most gateways never need.
  const { fileTypeFromBuffer } = await import('file-type');
  try {
    const found = await fileTypeFromBuffer(first.subarray(0, FILE_TYPE_BYTES));
    return found !== undefined && (types.has(found.ext) || types.hasMime(found.mime));
  } catch {
    // Bytes that no parser can follow have no known type.
    return false;
  }
}
