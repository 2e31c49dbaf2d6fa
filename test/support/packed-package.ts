import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Entries of threads, as `onecopy/workers/NAME`. */
export const WORKERS: readonly string[] = [
  'batch',
  'commit',
  'file',
  'frame',
  'fsck',
  'gc',
  'unpack',
];

/** Runs a program that must succeed; its standard output. */
export function runOk(program: string, args: readonly string[], cwd: string): string {
  const PATH = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
  const env = { ...process.env, PATH, NODE_TEST_CONTEXT: undefined };
  const done = spawnSync(program, args, { cwd, encoding: 'utf8', env });
  assert.equal(done.status, 0, `${program} ${args.join(' ')}: ${done.stdout}${done.stderr}`);
  return done.stdout;
}

/**
 * Builds and packs the package and installs it as `folder/node_modules/onecopy`, with what it depends on: links into the checkout. The
 * checkout's own `dist` is not touched. Optional peers are not installed.
 */
export function installPacked(folder: string): string {
  const stage = join(folder, 'stage');
  mkdirSync(stage);
  for (const name of ['package.json', ...manifestOf(ROOT).files]) {
    if (name !== 'dist' && !name.startsWith('!'))
      cpSync(join(ROOT, name), join(stage, name), { recursive: true });
  }
  runOk(process.execPath, [join(ROOT, 'tools/build.ts'), '--into', join(stage, 'dist')], ROOT);
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [packed] = JSON.parse(runOk('npm', pack, stage)) as [{ readonly filename: string }];
  runOk('tar', ['xzf', packed.filename], folder);
  const home = join(folder, 'node_modules/onecopy');
  mkdirSync(dirname(home));
  renameSync(join(folder, 'package'), home);
  linkDependencies(folder, home);
  return home;
}

/** Builds the library without its declarations as `folder/node_modules/onecopy`, with what it depends on. */
export function installBuilt(folder: string): string {
  const home = join(folder, 'node_modules/onecopy');
  mkdirSync(home, { recursive: true });
  const into = ['--bundle-into', join(home, 'dist')];
  runOk(process.execPath, [join(ROOT, 'tools/build.ts'), ...into], ROOT);
  cpSync(join(ROOT, 'package.json'), join(home, 'package.json'));
  linkDependencies(folder, home);
  return home;
}

function linkDependencies(folder: string, home: string): void {
  for (const name of Object.keys(manifestOf(home).dependencies)) linkPackage(folder, name);
  // What koffi takes its library from.
  linkPackage(folder, '@koromix');
}

/** Installs a package of the checkout in a folder, as a link. */
export function linkPackage(folder: string, name: string): void {
  const link = join(folder, 'node_modules', name);
  mkdirSync(dirname(link), { recursive: true });
  if (!existsSync(link)) symlinkSync(join(ROOT, 'node_modules', name), link);
}

/** Every file below a folder, by its path from there. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

interface Manifest {
  readonly version: string;
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
}

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}
