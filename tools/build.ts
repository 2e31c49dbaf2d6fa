/**
 * Builds `dist/` for the published package: JavaScript by rolldown, one file a module so that workers and lazily loaded
 * verbs stay separate, and type declarations by tsc. A checkout never runs it.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');

/** Modules that are started by name: the public doors, the programs, and every worker. */
function entries(): Record<string, string> {
  const modules = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  );
  return Object.fromEntries(
    modules.map((name) => [name.slice(0, -'.ts'.length), join(ROOT, 'src', name)]),
  );
}

rmSync(DIST, { recursive: true, force: true });
await build({
  cwd: ROOT,
  input: entries(),
  platform: 'node',
  external: [/^node:/, /^(?!#|\.|\/)/],
  output: {
    dir: DIST,
    format: 'esm',
    preserveModules: true,
    preserveModulesRoot: join(ROOT, 'src'),
    entryFileNames: '[name].js',
  },
});
const types = spawnSync(
  process.execPath,
  [join(ROOT, 'node_modules/typescript/bin/tsc'), ...['-p', join(ROOT, 'tsconfig.build.json')]],
  { cwd: ROOT, stdio: 'inherit' },
);
process.exitCode = types.status ?? 1;
