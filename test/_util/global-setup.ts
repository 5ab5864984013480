import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { createCertificateLab } from './certificate-lab.ts';

/** Runs once per test run, before any file: makes the certificates that `certificates()` hands to the tests. */
export default async function setup(project: TestProject): Promise<() => void> {
  const dir = mkdtempSync(join(tmpdir(), 'icapgw-certificates-'));
  project.provide('certificates', await createCertificateLab(dir));
  return () => rmSync(dir, { recursive: true, force: true });
}
