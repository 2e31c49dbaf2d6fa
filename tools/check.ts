/** The gate: types, lint, rooms (with the tests). `npm run check [types|lint|test]`; all of them without a word. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STEPS: Readonly<Record<string, readonly string[]>> = {
  types: [process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', ROOT],
  lint: [join(ROOT, 'node_modules/.bin/biome'), 'check', '--error-on-warnings', ROOT],
  test: [process.execPath, join(ROOT, 'tools/test.ts')],
};

const wanted = process.argv.slice(2);
for (const [name, [program = '', ...args]] of Object.entries(STEPS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stdout.write(`onecopy check: ${name}\n`);
  const done = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  if (done.status !== 0) process.exit(done.status ?? 1);
}
