import { deepEqual, equal, match } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OptionGrammar } from '../../src/faces/cli/grammar/grammar.ts';
import { GRAMMARS } from '../../src/faces/cli/grammar/table.ts';
import { longFlagOf } from '../../src/faces/cli/request.ts';
import { SERVER_KEYS } from '../../src/work/verbs/ostree-keys.ts';
import { goldenReference, runCli } from '../support/run-cli.ts';
import { makeMemoryDir } from '../support/temp-dir.ts';

const OPTIONS = GRAMMARS['pull']?.options ?? [];
const IMAGE_KEYS: readonly string[] = [
  'platform',
  'strategy',
  'reuseFrom',
  'allPlatforms',
  'keepBlobs',
  'withReferrers',
  'signaturePolicy',
  'requirePolicy',
  'maxBytes',
  'strategy',
  'reuseFrom',
  'maxEntries',
  'maxLayerSizeBytes',
];
const IMAGE = OPTIONS.filter(({ key }) => IMAGE_KEYS.includes(key));
/** These apply to both. */
const SHARED = ['base', 'compat', 'verifyReused'];
const COMMIT = OPTIONS.filter(({ key }) => !IMAGE_KEYS.includes(key) && !SHARED.includes(key));
const SERVER = OPTIONS.filter(({ key }) => (SERVER_KEYS as readonly string[]).includes(key));

/** An option as it stands on a command line, with a value when it takes one. */
function spelled(option: OptionGrammar): string {
  if (!option.flags.includes('<')) return longFlagOf(option);
  const value = option.values?.[0] ?? (option.flags.includes('<bool>') ? 'true' : '1');
  return `${longFlagOf(option)}=${value}`;
}

const KINDS: readonly (readonly [reference: string, options: readonly OptionGrammar[]])[] = [
  [goldenReference('basic'), COMMIT],
  ['ostree:http://127.0.0.1:1/repo:main', IMAGE],
  ['ostree-local:/nowhere:main', SERVER],
  ['ostree-local:/nowhere:main', IMAGE],
];

for (const [reference, options] of KINDS) {
  const kind = reference.slice(0, reference.indexOf(':'));
  test(`pull ${kind}: refuses every option that does not apply to it, from ${options.map(longFlagOf)[0]}`, () => {
    using scratch = makeMemoryDir();
    const repo = join(scratch.path, 'repo');
    const run = runCli(['--json', '-q', 'pull', ...options.map(spelled), reference], { repo });
    const { code, message } = JSON.parse(run.stderr).error;
    deepEqual([run.status, code], [2, 'USAGE']);
    const named = /"reference": (.*) do not apply/.exec(message.replace(reference, 'reference'));
    deepEqual(named?.[1]?.split(', ').sort(), options.map(longFlagOf).sort());
    equal(existsSync(repo), false);
  });
}

test('a single refused option is named alone', () => {
  const run = runCli(['pull', '--gpg-key=a', goldenReference('basic')]);
  equal(run.status, 2);
  match(run.stderr, /: --gpg-key does not apply here\n$/);
});
