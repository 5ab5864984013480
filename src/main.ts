#!/usr/bin/env node
import process from 'node:process';
import type { CliIo } from './cli/io.ts';
import { problemOfNode } from './cli/node-version.ts';
import { createProgram, runProgram } from './cli/program.ts';

// Who stopped reading what it says must not end a gateway.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const io: CliIo = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  exit(code) {
    process.exitCode = code;
  },
};

const problem = problemOfNode(process.versions.node);
if (problem === undefined) {
  await runProgram(createProgram(io), process.argv.slice(2), io);
} else {
  io.stderr.write(problem);
  io.exit(1);
}
