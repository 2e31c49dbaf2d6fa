import { deepEqual, equal, match } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { longFlagOf } from '../../src/faces/cli/applies.ts';
import { IMAGE_PULL_OPTIONS, type OptionRow } from '../../src/faces/cli/verbs.ts';
import { OSTREE_PULL_OPTIONS, OSTREE_REMOTE_ONLY } from '../../src/faces/cli/verbs-ostree.ts';
import { goldenReference, runCli } from '../support/run-cli.ts';
import { makeMemoryDir } from '../support/temp-dir.ts';

/** An option as it stands on a command line, with a value when it takes one. */
function spelled(row: OptionRow): string {
  return row[0].includes('<') ? `${longFlagOf(row)}=1` : longFlagOf(row);
}

const KINDS: readonly (readonly [reference: string, rows: readonly OptionRow[]])[] = [
  [goldenReference('basic'), OSTREE_PULL_OPTIONS],
  ['ostree:http://127.0.0.1:1/repo:main', IMAGE_PULL_OPTIONS],
  ['ostree-local:/nowhere:main', [...IMAGE_PULL_OPTIONS, ...OSTREE_REMOTE_ONLY]],
];

for (const [reference, rows] of KINDS) {
  const kind = reference.slice(0, reference.indexOf(':'));
  test(`pull ${kind}: refuses every option that says nothing about it, and nothing is stored`, () => {
    using scratch = makeMemoryDir();
    const repo = join(scratch.path, 'repo');
    const run = runCli(['--json', '-q', 'pull', ...rows.map(spelled), reference], { repo });
    const { code, message } = JSON.parse(run.stderr).error;
    deepEqual([run.status, code], [2, 'USAGE']);
    const named = /"reference": (.*) do not apply/.exec(
      message.replace(reference, 'reference'),
    )?.[1];
    deepEqual(named?.split(', '), rows.map(longFlagOf));
    equal(existsSync(repo), false);
  });
}

test('a single option is named alone', () => {
  const run = runCli(['pull', '--gpg-key=a', goldenReference('basic')]);
  equal(run.status, 2);
  match(run.stderr, /: --gpg-key does not apply to this kind of reference\n$/);
});
