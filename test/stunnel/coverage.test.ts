import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { findOption, STUNNEL_OPTIONS } from '../../src/stunnel/option-table.ts';
import { readStunnel } from '../../src/stunnel/reader.ts';

const MANUAL = '/usr/share/man/man8/stunnel4.8.gz';
const PROGRAM = '/usr/bin/stunnel4';

/** What stunnel 5.71 and 5.75 added to the options of 5.68. */
const ADDED_LATER = ['OCSPrequire', 'TIMEOUTocsp', 'CAstore', 'provider', 'providerParameter', 'setEnv'];

/** On Windows, and in other builds than Debian's: `stunnel -help` here does not know them. */
const OF_OTHER_BUILDS = ['fips', 'iconActive', 'iconError', 'iconIdle', 'taskbar'];

/** Older names of others. */
const ALIASES = ['session', 'curve'];

/** What `stunnel4 -help`, `-options` and `-sockets` print. */
function ask(question: string): string {
  const { stderr } = spawnSync(PROGRAM, [question], { encoding: 'utf8' });
  return stderr;
}

function problemsOf(line: string): string[] {
  const text = `[a]\naccept = 11344\nconnect = 1344\ncert = a.pem\n${line}\n`;
  return readStunnel(text, 'stunnel.conf', { readDirectory: () => [], readFile: () => '' }).problems.map(
    ({ message }) => message,
  );
}

function isKnown(name: string): boolean {
  return findOption(name) !== undefined;
}

describe.skipIf(!existsSync(MANUAL))('the manual of stunnel that is installed', () => {
  const manual = existsSync(MANUAL) ? gunzipSync(readFileSync(MANUAL)).toString('utf8') : '';
  const named = [...manual.matchAll(/^\.IP "(?:\\fB)?(?:\\s-?\d)?(\w+)(?:\\s0)?\\fR = /gm)].map(
    ([, name = '']) => name,
  );

  test('has options, and each is in the matrix', () => {
    expect(named.length).toBeGreaterThan(90);
    expect(named.filter((name) => !isKnown(name))).toEqual([]);
  });

  test('has every option of the matrix but those of later versions and old names', () => {
    const known = new Set(named.map((name) => name.toLowerCase()));
    const unnamed = STUNNEL_OPTIONS.map(({ name }) => name).filter((name) => !known.has(name.toLowerCase()));
    expect(unnamed.filter((name) => ![...ADDED_LATER, 'execArgs'].includes(name))).toEqual([]);
  });
});

describe.skipIf(!existsSync(PROGRAM))('the stunnel that is installed', () => {
  test('lists no option that the matrix does not have, and the matrix none that it does not list', () => {
    const listed = [...ask('-help').matchAll(/^(\w+) += /gm)].map(([, name = '']) => name);
    expect(listed.length).toBeGreaterThan(85);
    expect(listed.filter((name) => !isKnown(name))).toEqual([]);
    const names = new Set(listed.map((name) => name.toLowerCase()));
    const unlisted = STUNNEL_OPTIONS.map(({ name }) => name).filter((name) => !names.has(name.toLowerCase()));
    expect(unlisted.filter((name) => ![...ADDED_LATER, ...OF_OTHER_BUILDS].includes(name))).toEqual([]);
  });

  test('has no TLS option that is unknown here', () => {
    const names = [...ask('-options').matchAll(/^options = (\w+)/gm)].map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(40);
    const [unknown = ''] = problemsOf('options = NONSENSE');
    const told = names.filter((name) => problemsOf(`options = ${name}`).includes(unknown.replace('NONSENSE', name)));
    expect(told).toEqual([]);
  });

  test('has no socket option that is unknown here', () => {
    const names = [...ask('-sockets').matchAll(/^ +([A-Z][A-Z0-9_]+) +\|/gm)].map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(15);
    expect(names.filter((name) => problemsOf(`socket = l:${name}=1`).some((text) => text.includes('no such')))).toEqual(
      [],
    );
    expect(problemsOf('socket = l:NONSENSE=1').join()).toContain('no such');
  });
});

test('what stunnel has had since is in the matrix too, and the old names are', () => {
  expect([...ADDED_LATER, ...OF_OTHER_BUILDS, ...ALIASES].filter((name) => !isKnown(name))).toEqual([]);
});
