import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { MAIN } from '../_util/differential-gateway.ts';

/** Runs `icapgw demo` in an empty folder; sends SIGINT, as Ctrl-C does, after a line that holds `stopAt`. */
async function demo(args: readonly string[], stopAt?: string): Promise<{ code: unknown; text: string }> {
  const cwd = mkdtempSync(join(tmpdir(), 'icapgw-demo-'));
  const child = spawn(process.execPath, [MAIN, 'demo', '--port', '0', ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    if (stopAt !== undefined && line.includes(stopAt)) child.kill('SIGINT');
  });
  const [code] = await once(child, 'exit');
  rmSync(cwd, { recursive: true });
  return { code, text: lines.join('\n') };
}

test('demo --once prints both verdicts and ends with 0', async () => {
  const { code, text } = await demo(['--once']);
  expect(text).toMatch(/^minutes\.txt\s+ALLOWED/m);
  expect(text).toMatch(/^eicar\.com\s+BLOCKED, EICAR/m);
  expect(code).toBe(0);
});

test('Ctrl-C ends a demo that serves on with 0', async () => {
  const { code, text } = await demo([], '--text');
  expect(text).toContain('Serving on');
  expect(code).toBe(0);
});
