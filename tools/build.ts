/**
 * Builds `dist/` for the published package by rolldown, as modules: the library, and in `dist/program` the programs, split so that each verb
 * loads only its own code; and type declarations by tsc. A checkout runs its sources and never needs it.
 *
 * Usage: npm run build [-- --into FOLDER | --bundle-into FOLDER]   (there; the second without declarations: for the benches)
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');
const { 'bundle-into': bundle, into } = parseArgs({
  options: { 'bundle-into': { type: 'string' }, into: { type: 'string' } },
}).values;
const DIST = bundle ?? into ?? join(ROOT, 'dist');

/** The oldest Node that runs what is built. */
const NODE_OLDEST = 'node22';

/** By the name of their file in `dist/`. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'program/onecopy': 'faces/cli/main.ts',
  'program/mkcomposefs': 'faces/compat/mkcomposefs.ts',
  'program/composefs-info': 'faces/compat/composefs-info.ts',
  'program/composefs-dump': 'faces/compat/composefs-dump.ts',
  'program/composefs-fuse': 'faces/compat/composefs-fuse.ts',
  'program/mount.composefs': 'faces/compat/mount-composefs.ts',
  'program/cfsctl': 'faces/cfsctl/main.ts',
};
/** Public doors, by the name of their file in `dist/`. */
const DOORS: Readonly<Record<string, string>> = {
  index: 'index.ts',
  erofs: 'erofs.ts',
  fsverity: 'fsverity.ts',
  splitstream: 'splitstream.ts',
  ostree: 'ostree.ts',
  compose: 'compose.ts',
  tar: 'tar.ts',
};

/**
 * What nearly every verb needs lies in three files: opening many small ones costs more than reading a large one. The command line needs only
 * the first, the doors of single formats only two. The entry of a thread is in none of them: importing it would run it.
 */
const CHUNKS = [
  { name: 'base', test: /\/src\/base\/|@oxc-project[+/]runtime/ },
  { name: 'formats', test: /\/src\/formats\/(erofs|fsverity|oci|splitstream|tar|tree)\// },
  {
    name: 'core',
    test: /\/src\/(host|stores\/composefs|work\/(image|repository))\/(?!.*-(?:worker|server)\.ts$)/,
  },
];

/** Every module that is started in a thread or as a process, by `new URL('./x.ts', import.meta.url)`; it lies beside the chunks. */
function workers(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
    const text = readFileSync(join(SRC, name), 'utf8');
    for (const [, worker = ''] of text.matchAll(
      /new URL\('\.\/([\w-]+-(?:worker|server)\.ts)', import\.meta\.url\)/g,
    )) {
      const key = basename(worker, '.ts');
      if (!existsSync(join(SRC, name, '..', worker))) continue;
      if (found[key] !== undefined) throw new Error(`two workers are called ${key}`);
      found[key] = join(SRC, name, '..', worker);
    }
  }
  return found;
}

/** Packages that every verb needs go into the bundle, with their licence beside it: finding and opening their files costs more. */
const BUNDLED = ['commander'];
/** Packages whose licence goes with the bundle: those, and the one that rolldown takes the helper of `using` from. */
const LICENSED = { commander: 'commander', '@oxc-project/types': 'oxc' } as const;

function sources(entries: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, join(SRC, path)]));
}

rmSync(DIST, { recursive: true, force: true });
await build({
  cwd: ROOT,
  platform: 'node',
  external: new RegExp(`^(?!#|\\.|/|\\0|@oxc-project/runtime/|(?:${BUNDLED.join('|')})$)`),
  treeshake: { propertyReadSideEffects: false },
  // Hosts of the library (Electron, VS Code) bring Node 22 or 24. `using` becomes try and finally, nothing else changes.
  transform: { target: NODE_OLDEST },
  input: { ...sources(DOORS), ...sources(PROGRAMS), ...workers() },
  output: {
    dir: DIST,
    format: 'esm',
    codeSplitting: { groups: CHUNKS },
    // What a start reads is shorter by a fifth.
    comments: false,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  },
});
for (const [name, short] of Object.entries(LICENSED)) {
  copyFileSync(join(ROOT, 'node_modules', name, 'LICENSE'), join(DIST, `LICENSE-${short}`));
}
if (bundle === undefined) {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const types = spawnSync(
    process.execPath,
    [tsc, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', DIST],
    { cwd: ROOT, stdio: 'inherit' },
  );
  process.exitCode = types.status ?? 1;
}
