import { deepEqual, equal, match } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findProgram } from '../support/capability.ts';
import { cliEnvironment, goldenReference, runCli } from '../support/run-cli.ts';
import { makeMemoryDir, type TempDir } from '../support/temp-dir.ts';

let scratch: TempDir;
let repo: string;

before(() => {
  scratch = makeMemoryDir();
  repo = join(scratch.path, 'repo');
  runCli(['-q', 'pull', goldenReference('basic'), 'app'], { repo });
  runCli(['tag', 'app', 'host/app:v1'], { repo });
  // Never offered: bash would run it.
  equal(runCli(['tag', 'app', 'app$(touch ran)'], { repo }).status, 0);
});
after(() => scratch[Symbol.dispose]());

/** What bash would offer for each command line, as bash itself breaks it into words; `files` when it falls back to files. */
function offers(lines: readonly (readonly string[])[]): string[] {
  const script = `
    source <(onecopy completion bash) || exit 1
    files=
    compopt() { [ "$1 $2" != "+o default" ] || files=; }
    try() {
      COMP_WORDS=(onecopy "$@") COMP_CWORD=$# COMPREPLY=() files=files
      "$(complete -p onecopy | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
      echo "$(printf '%s\\n' "\${COMPREPLY[@]}" | sort | tr '\\n' ' ')$files"
    }
    ${lines.map((words) => `try ${words.map((word) => `'${word}'`).join(' ')}`).join('\n')}
    complete -p onecopy`;
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
    encoding: 'utf8',
    env: cliEnvironment({ ONECOPY_REPO: repo }),
  });
  deepEqual([status, stderr], [0, '']);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.trim());
}

test('bash completes verbs, options, values, names of the repository with colons, and files', () => {
  const found = offers([
    ['imag'],
    ['ls', ''],
    ['untag', 'app', 'ho'],
    ['ls', 'host/app', ':', 'v'],
    ['cp', 'ap'],
    ['gc', '--pl'],
    ['--progress', 'p'],
    ['mount', 'app', ''],
    ['--repo', ''],
    ['--repo', '/nonexistent', 'ls', ''],
  ]);
  deepEqual(found, [
    'image images',
    'app host/app:v1',
    'host/app:v1',
    'v1',
    'app:/',
    '--plan',
    'plain',
    'files',
    'files',
    '',
    'complete -o default -F __onecopy_complete onecopy',
  ]);
});

for (const shell of ['bash', 'zsh', 'fish']) {
  test(`completion ${shell} prints a script that ${shell} can parse`, () => {
    const { status, stdout, stderr } = runCli(['completion', shell]);
    deepEqual([status, stderr], [0, '']);
    match(stdout, /onecopy complete --/);
    if (findProgram(shell) === undefined) return;
    const parsed = spawnSync(shell, [shell === 'fish' ? '--no-execute' : '-n'], {
      input: stdout,
      encoding: 'utf8',
    });
    deepEqual([parsed.status, parsed.stderr], [0, '']);
  });
}

test('the help lists and explains completion', () => {
  match(runCli(['help']).stdout, /^ {2}completion <shell> /m);
  match(runCli(['help', 'completion']).stdout, /source <\(onecopy completion bash\)/);
});

test('completion for an unknown shell is a usage error', () => {
  const { status, stdout } = runCli(['completion', 'csh']);
  deepEqual([status, stdout], [2, '']);
  equal(runCli(['completion']).status, 2);
});
