/**
 * Builds `dist/` for the published package: bundled JavaScript by rolldown, split so that each verb loads only its own
 * code, and type declarations by tsc. A checkout runs its sources and never needs it.
 *
 * Usage: npm run build [-- --bundle-into FOLDER]   (there, and without declarations: for the benches)
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');
const { 'bundle-into': elsewhere } = parseArgs({
  options: { 'bundle-into': { type: 'string' } },
}).values;
const DIST = elsewhere ?? join(ROOT, 'dist');

/** Programs and public doors, by the name of their file in `dist/`. */
const ENTRIES: Readonly<Record<string, string>> = {
  onecopy: 'faces/cli/main.ts',
  mkcomposefs: 'faces/compat/mkcomposefs.ts',
  'composefs-info': 'faces/compat/composefs-info.ts',
  index: 'index.ts',
  erofs: 'formats/erofs/index.ts',
  fsverity: 'formats/fsverity/index.ts',
  splitstream: 'formats/splitstream/index.ts',
  tar: 'formats/tar/index.ts',
};

/**
 * What nearly every verb needs lies in two files: opening many small ones costs more than reading a large one. The doors of single
 * formats need only the first. The entry of a thread lies in neither: whoever imported it would run it.
 */
const CHUNKS = [
  { name: 'formats', test: /\/src\/(base|formats\/(erofs|fsverity|oci|splitstream|tar|tree))\// },
  {
    name: 'core',
    test: /\/src\/(host|stores\/composefs|work\/(image|repository))\/(?!.*-worker\.ts$)/,
  },
];

/** Every module that is started in a thread, by `new URL('./x.ts', import.meta.url)`; it lies beside the chunks. */
function workers(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
    const text = readFileSync(join(SRC, name), 'utf8');
    for (const [, worker = ''] of text.matchAll(
      /new URL\('\.\/([\w-]+\.ts)', import\.meta\.url\)/g,
    )) {
      const key = basename(worker, '.ts');
      if (!existsSync(join(SRC, name, '..', worker))) continue;
      if (found[key] !== undefined) throw new Error(`two workers are called ${key}`);
      found[key] = join(SRC, name, '..', worker);
    }
  }
  return found;
}

rmSync(DIST, { recursive: true, force: true });
const programs = Object.entries(ENTRIES).map(([name, path]) => [name, join(SRC, path)]);
await build({
  cwd: ROOT,
  input: { ...Object.fromEntries(programs), ...workers() },
  platform: 'node',
  external: [/^node:/, /^(?!#|\.|\/)/],
  output: {
    dir: DIST,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    codeSplitting: { groups: CHUNKS },
  },
});
if (elsewhere === undefined) {
  const types = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.build.json')],
    { cwd: ROOT, stdio: 'inherit' },
  );
  process.exitCode = types.status ?? 1;
}
