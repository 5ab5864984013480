/** What stunnel prints and ends. */
export type StunnelList = 'help' | 'version' | 'sockets' | 'options';

/** What stunnel's command line asks for. */
export type StunnelWish =
  | { readonly kind: 'list'; readonly list: StunnelList }
  | { readonly kind: 'file'; readonly name: string }
  | { readonly kind: 'descriptor'; readonly number: number }
  /** `descriptor`: what was given for one, where something was. */
  | { readonly kind: 'mistake'; readonly text: string; readonly descriptor: string | undefined };

const DEFAULT_FILE = '/etc/stunnel/stunnel.conf';
const LISTS: readonly StunnelList[] = ['help', 'version', 'sockets', 'options'];

/** Reads arguments as stunnel does: in any case, the first two and no more. What is no option is a file. */
export function readStunnelArguments([first = DEFAULT_FILE, second]: readonly string[]): StunnelWish {
  const word = first.toLowerCase();
  const list = LISTS.find((each) => word === `-${each}`);
  if (list !== undefined) return { kind: 'list', list };
  if (word !== '-fd') return { kind: 'file', name: first };
  if (second === undefined) {
    return { kind: 'mistake', text: 'No file descriptor specified', descriptor: undefined };
  }
  // What the kernel counts with; more would name no descriptor at all.
  if (!/^[+-]?\d{1,9}$/.test(second)) {
    return { kind: 'mistake', text: 'Invalid file descriptor number', descriptor: second };
  }
  const number = Number(second);
  if (number < 0) return { kind: 'mistake', text: 'Cannot open configuration file', descriptor: second };
  return { kind: 'descriptor', number };
}
