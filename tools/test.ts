/**
 * Runs the tests: brings the host tools they need, prints what this host can do, runs every `*.test.ts`, then prints
 * the skip list. In CI (`CI=true`, root, Debian) the list must be empty. Every file must have come to its own end.
 *
 * Usage: npm test [-- [--no-install] [--only PART]…]; ONECOPY_NO_INSTALL=1 is the same as --no-install.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { capabilityTable } from '../test/support/capability.ts';
import { ensureHostTools } from './host-tools.ts';
import { ensureOlderNodes } from './older-nodes.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A test that takes longer is hung. */
const TEST_MS_MAX = 240_000;
const FOLDERS = ['src', 'test', 'tools', 'examples'];

function testFiles(only: readonly string[]): string[] {
  return FOLDERS.filter((folder) => existsSync(join(ROOT, folder)))
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(folder, name),
      ),
    )
    .filter((name) => name.endsWith('.test.ts') && !/(?:golden|node_modules)\//.test(name))
    .filter((name) => only.length === 0 || only.some((part) => name.includes(part)))
    .sort();
}

function linesOf(log: string): string[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').split('\n');
  return [...new Set(lines.filter((line) => line !== ''))].sort();
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const { values } = parseArgs({
  options: {
    'no-install': { type: 'boolean', default: process.env['ONECOPY_NO_INSTALL'] === '1' },
    only: { type: 'string', multiple: true, default: [] },
  },
});

if (!values['no-install']) {
  ensureHostTools();
  ensureOlderNodes();
}
const scratch = mkdtempSync(join(tmpdir(), 'onecopy-test-'));
const skipLog = join(scratch, 'skips');
const files = testFiles(values.only);
say(`What this host can do:\n${capabilityTable()}`);
say(`onecopy: ${files.length} test files`);
const run = spawnSync(
  process.execPath,
  [
    `--import=${new URL('../test/support/no-exit.ts', import.meta.url).href}`,
    // Each reporter listens for the end, and Node expects fewer than three.
    '--disable-warning=MaxListenersExceededWarning',
    '--test',
    `--test-concurrency=${availableParallelism()}`,
    `--test-timeout=${TEST_MS_MAX}`,
    '--test-reporter=dot',
    '--test-reporter-destination=stdout',
    '--test-reporter=spec',
    `--test-reporter-destination=${join(scratch, 'report')}`,
    `--test-reporter=${new URL('../test/support/ended-files.ts', import.meta.url).href}`,
    `--test-reporter-destination=${join(scratch, 'ended')}`,
    ...files,
  ],
  {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ONECOPY_SKIP_LOG: skipLog },
  },
);
const report = readFileSync(join(scratch, 'report'), 'utf8');
const closing = report.lastIndexOf('ℹ tests ');
say(closing < 0 ? report : report.slice(closing));
const logged = linesOf(skipLog);
const optional = logged.filter((line) => line.includes('(optional, '));
const skips = logged.filter((line) => !optional.includes(line));
say(
  `skipped for want of a peer that no Debian package brings, or of a processor: ${optional.length || 'none'}`,
);
for (const line of optional) say(`  ${line}`);
say(`skipped for want of a capability: ${skips.length || 'none'}`);
for (const line of skips) say(`  ${line}`);
// Node counts a file whose process ended with status 0 as passed, also when tests of it never ran.
const ended = new Set(linesOf(join(scratch, 'ended')));
const silent = files.filter((name) => !ended.has(join(ROOT, name)));
if (silent.length > 0) say(`test files that did not come to their end: ${silent.length}`);
for (const name of silent) say(`  ${name}`);
rmSync(scratch, { recursive: true });

const allMustRun =
  process.env['CI'] === 'true' && process.getuid?.() === 0 && existsSync('/etc/debian_version');
if (allMustRun && skips.length > 0) say('onecopy: tests were skipped where all must run');
const isWhole = silent.length === 0 && !(allMustRun && skips.length > 0);
process.exitCode = run.status !== 0 ? (run.status ?? 1) : isWhole ? 0 : 1;
