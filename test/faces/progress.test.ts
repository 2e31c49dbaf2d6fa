import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { byteStringFromText } from '#base/bytes';
import type { TarMemberSource } from '#formats/tar';
import { writeSampleImage } from '../../tools/sample-image.ts';
import { needs } from '../support/capability.ts';
import { cliEnvironment, goldenReference, ONECOPY, runCli } from '../support/run-cli.ts';
import { makeMemoryDir, type TempDir } from '../support/temp-dir.ts';

type ProgressLine = { readonly type: string; readonly id?: string };

const FILES = 3000;
const FILE_BYTES = 4096;

let scratch: TempDir;
let repo: string;
let large: string;

/** Files of random-looking bytes, so that a pull takes long enough to be interrupted. */
function* members(seed: number): Generator<TarMemberSource> {
  const block = Buffer.alloc(FILE_BYTES);
  for (let at = 0; at < FILES; at += 1) {
    for (let word = 0; word < FILE_BYTES; word += 4) {
      block.writeInt32LE(Math.imul(at * FILE_BYTES + word + seed, 0x9e3779b1), word);
    }
    yield {
      member: {
        type: 'file',
        path: byteStringFromText(`/f${seed}-${at}`),
        mode: 0o644,
        mtimeSec: 0n,
        sizeBytes: FILE_BYTES,
      },
      content: [Buffer.from(block)],
    };
  }
}

before(async () => {
  scratch = makeMemoryDir();
  repo = join(scratch.path, 'repo');
  const layout = join(scratch.path, 'layout');
  await writeSampleImage(
    layout,
    'large',
    [1, 2, 3].map((seed) => ({ members: members(seed), compression: 'none' as const })),
  );
  large = `oci:${layout}:large`;
});
after(() => scratch[Symbol.dispose]());

function linesOf(text: string): ProgressLine[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ProgressLine);
}

test('JSON progress is one event per line, on stderr or on its own descriptor', () => {
  const file = join(scratch.path, 'events');
  const done = spawnSync(
    '/bin/sh',
    [
      '-c',
      '"$0" --json --progress json --progress-fd 3 pull "$1" app 3>"$2"',
      ONECOPY,
      goldenReference('basic'),
      file,
    ],
    { encoding: 'utf8', env: cliEnvironment({ ONECOPY_REPO: repo }) },
  );
  equal(done.status, 0, done.stderr);
  equal(JSON.parse(done.stdout).name, 'app');
  const events = linesOf(done.stderr);
  deepEqual(linesOf(readFileSync(file, 'utf8')), events);
  equal(events[0]?.type, 'started');
  const steps = events.filter(({ id }) => id?.startsWith('sha256:cd8fddcd749a'));
  deepEqual([steps[0]?.type, steps.at(-1)?.type], ['started', 'done']);
  for (const { type } of events) ok(['started', 'advanced', 'done'].includes(type), type);
});

test('progress in a pipe is plain lines, and --progress none prints nothing', () => {
  const plain = runCli(['pull', goldenReference('basic'), 'app'], { repo });
  equal(plain.stderr, 'sha256:cd8fddcd749a: already present\n');
  const none = runCli(['--progress', 'none', 'pull', goldenReference('basic'), 'app'], { repo });
  equal(none.stderr, '');
  const closed = runCli(['--progress-fd', '900', 'images'], { repo });
  equal(closed.status, 2);
  match(closed.stderr, /^onecopy: Cannot write progress to descriptor 900: EBADF/);
  const verbose = runCli(['-v', 'images'], { repo });
  match(verbose.stderr, /^onecopy: repository .*\nonecopy: took \d+\.\d{3} s\n$/);
});

test('a reader that closes the output pipe early causes no error', () => {
  runCli(['-q', 'pull', goldenReference('types'), 'types'], { repo });
  const script =
    'set -o pipefail; "$0" ls -R types | head -1; "$0" --json ls -R types | head -c1; "$0" --version | true';
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, ONECOPY], {
    encoding: 'utf8',
    env: cliEnvironment({ ONECOPY_REPO: repo }),
  });
  deepEqual([status, stdout, stderr], [0, '/\n{', '']);
});

test('a slow reader gets all output', () => {
  runCli(['-q', 'pull', large, 'large'], { repo });
  const script = '"$0" ls -R large | (sleep 1; cat) | wc -l; "$0" ls -R large | wc -l';
  const { stdout } = spawnSync('bash', ['-c', script, ONECOPY], {
    encoding: 'utf8',
    env: cliEnvironment({ ONECOPY_REPO: repo }),
  });
  const [slow, quick] = stdout.split('\n').map(Number);
  equal(slow, quick);
  ok(Number(quick) > FILES, 'the output must be longer than a pipe is');
});

test('a terminal gets progress bars, and they are erased at the end', (t) => {
  if (!needs(t, 'tool:script')) return;
  const target = join(scratch.path, 'bars');
  const command = `'${ONECOPY}' --repo '${target}' pull '${goldenReference('basic')}' app`;
  const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
    encoding: 'utf8',
    env: cliEnvironment({ TERM: 'xterm' }),
  });
  equal(status, 0);
  match(stdout, /█+ 100% 185 B\/185 B sha256:cd8fddcd749a/);
  match(stdout, /sha256:cd8fddcd749a: done, 185 B\r\n/);
  equal(
    stdout.split('\u001b[?25l').length,
    stdout.split('\u001b[?25h').length,
    'the cursor is shown again',
  );
  const colourless = spawnSync(
    'script',
    [
      '-qec',
      `'${ONECOPY}' --repo '${target}' images; NO_COLOR=1 '${ONECOPY}' --repo '${target}' images; '${ONECOPY}' --no-color --repo '${target}' images`,
      '/dev/null',
    ],
    { encoding: 'utf8', env: cliEnvironment({ TERM: 'xterm' }) },
  ).stdout.split('\r\n');
  const heads = colourless.filter((line) => line.includes('PLATFORM'));
  deepEqual(
    heads.map((line) => line.includes('\u001b[1m')),
    [true, false, false],
  );
});

/** Starts the pull of the large image and waits until it stores a layer. */
async function startPull(target: string): Promise<ChildProcess> {
  const child = spawn(
    ONECOPY,
    ['--repo', target, '--progress', 'json', '--json', 'pull', large, 'big'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: cliEnvironment(),
    },
  );
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr?.on('data', (piece: Buffer) => {
      said += piece.toString();
      if (said.includes('"advanced"')) resolve();
    });
    child.once('exit', () => reject(new Error(`the pull ended too early: ${said}`)));
  });
  return child;
}

/** Ends a running pull by a signal; returns its exit status and what it said. */
async function end(child: ChildProcess, signal: NodeJS.Signals) {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (piece: Buffer) => {
    stdout += piece.toString();
  });
  child.stderr?.on('data', (piece: Buffer) => {
    stderr += piece.toString();
  });
  child.kill(signal);
  const [status] = await once(child, 'close');
  return { status, stdout, error: JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '').error };
}

test('SIGINT during a pull exits 130 and leaves a clean repository in which the next pull succeeds', async () => {
  const target = join(scratch.path, 'interrupted');
  const { status, stdout, error } = await end(await startPull(target), 'SIGINT');
  deepEqual([status, stdout, error.code], [130, '', 'INTERRUPTED']);
  match(error.message, /repeat the command to resume/);
  deepEqual(JSON.parse(runCli(['images', '--json'], { repo: target }).stdout).images, []);
  equal(runCli(['-q', 'fsck'], { repo: target }).status, 0);
  const again = runCli(['-q', 'pull', large, 'big', '--json'], { repo: target });
  equal(again.status, 0, again.stderr);
  equal(JSON.parse(again.stdout).layers.length, 3);
  equal(runCli(['-q', 'fsck'], { repo: target }).status, 0);
});

test('SIGTERM during a pull exits 143', async () => {
  const { status, stdout, error } = await end(
    await startPull(join(scratch.path, 'terminated')),
    'SIGTERM',
  );
  deepEqual([status, stdout, error.code], [143, '', 'INTERRUPTED']);
});
