import { expect, test } from 'vitest';
import { addCheckCommand } from '../../src/cli/check.ts';
import { addRunCommand } from '../../src/cli/run.ts';
import { verifyConfig } from '../../src/cli/verify.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { serviceText } from '../_util/config-text.ts';

const TEXT = `log: { file: /nowhere/a.log }\n${serviceText({ tls: '{ cert: gone.pem, client-auth: { mode: none } }' })}`;
const EXPECTED = [
  expect.stringMatching(/^a\.yaml:1: error: log\.file: there is no folder \/nowhere/),
  expect.stringMatching(/^a\.yaml:6: error: .*gone\.pem: there is no such file/),
  'a.yaml: 2 errors',
  '',
];

test('check and run call the configuration as their user does, whatever is wrong', async () => {
  using folder = createConfigFolder({ 'a.yaml': TEXT });
  const checked = await runCli(
    ['check', 'a.yaml'],
    (program, io) =>
      addCheckCommand(program, io, async (config, lineOf, name) => (await verifyConfig(config, lineOf, name)).problems),
    { cwd: folder.path },
  );
  expect(checked.stdout.split('\n')).toEqual(EXPECTED);
  const run = await runCli(['run', '-c', 'a.yaml'], addRunCommand, { cwd: folder.path });
  expect(run.stderr.split('\n')).toEqual(EXPECTED);
  expect([checked.exitCode, run.exitCode]).toEqual([2, 2]);
});
