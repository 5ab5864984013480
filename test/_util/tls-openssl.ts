import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs `openssl s_client` with an empty standard input and gives what it printed on both streams. */
export async function opensslClient(port: number, ...args: readonly string[]): Promise<{ readonly output: string }> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdin.end();
  await once(child, 'close');
  return { output };
}
