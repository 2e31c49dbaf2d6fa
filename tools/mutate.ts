/**
 * Mutation testing of the files that guard something: makes one change at a time, runs the tests of its room, and prints the changes that
 * no test saw. The change is made while the module is loaded, in threads and child processes too; no file is touched.
 *
 * Usage: npm run mutate -- [--area NAME]… [--only TEXT] [--count NUMBER] [--list]
 *   By default the named changes alone; --count takes so many others of each area, spread evenly, and --only those whose line of output
 *   contains a text. Ends with status 1 when a change survives.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { AREAS, type Area, type Change, changesOf, NAMED, namedChange } from './mutations.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A test that takes longer than this, in milliseconds, has seen the change: it hangs. */
const TEST_MS_MAX = 120_000;

function sourcesIn({ sources }: Area): string[] {
  return sources
    .flatMap((path) => {
      if (!statSync(join(ROOT, path)).isDirectory()) return [path];
      return readdirSync(join(ROOT, path)).map((name) => join(path, name));
    })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'));
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Every change of an area, or some of them, spread evenly. */
function sampleOf(area: Area, count: number): readonly Change[] {
  const all = sourcesIn(area).flatMap((path) => changesOf(path, read(path)));
  if (count >= all.length) return all;
  return Array.from({ length: count }, (_, index) => {
    return all[Math.floor(((index + 0.5) * all.length) / count)] as Change;
  });
}

/** A module that gives the changed text to importers of the file. */
function hookFor({ path, text }: Change): string {
  const url = pathToFileURL(join(ROOT, path)).href;
  return `import { registerHooks } from 'node:module';
registerHooks({
  load(url, context, next) {
    if (url !== ${JSON.stringify(url)}) return next(url, context);
    return { format: 'module-typescript', source: ${JSON.stringify(text)}, shortCircuit: true };
  },
});
`;
}

/** True when every test passes as if nothing had changed. Test files run one after the other, until one fails. */
function survives(tests: readonly string[], change: Change): boolean {
  using scratch = new Scratch();
  const hook = join(scratch.path, 'hook.mjs');
  writeFileSync(hook, hookFor(change));
  const options = ['--test', `--test-timeout=${TEST_MS_MAX}`, '--test-reporter=dot'];
  return tests.every((test) => {
    const { status } = spawnSync(process.execPath, [...options, test], {
      cwd: ROOT,
      stdio: 'ignore',
      env: { ...process.env, NODE_OPTIONS: `--import=${pathToFileURL(hook).href}` },
    });
    return status === 0;
  });
}

class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'onecopy-mutate-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** Test files beside a folder's sources, or the files themselves. */
function testsOf({ tests }: Area): string[] {
  return tests.flatMap((path) => {
    if (path.endsWith('.test.ts')) return [path];
    const names = readdirSync(join(ROOT, path), { encoding: 'utf8' });
    return names.filter((name) => name.endsWith('.test.ts')).map((name) => join(path, name));
  });
}

function lineOf({ path, line, what }: Change): string {
  return `${path}:${line} ${what}`;
}

function main(): number {
  const { values } = parseArgs({
    options: {
      area: { type: 'string', multiple: true, default: Object.keys(AREAS) },
      only: { type: 'string', default: '' },
      count: { type: 'string', default: '0' },
      list: { type: 'boolean', default: false },
    },
  });
  const count = { tried: 0, survived: 0 };
  for (const name of values.area) {
    const area = AREAS[name];
    if (area === undefined) throw new Error(`no area "${name}": ${Object.keys(AREAS).join(', ')}`);
    const named = NAMED.filter((change) => change.area === name);
    const changes = [
      ...named.map((change) => namedChange(change, read(change.path))),
      ...sampleOf(area, Number(values.count)),
    ];
    for (const change of changes.filter((one) => lineOf(one).includes(values.only))) {
      if (values.list) {
        print(`${name}: ${lineOf(change)}`);
        continue;
      }
      const survived = survives(testsOf(area), change);
      count.tried += 1;
      count.survived += survived ? 1 : 0;
      print(`${name}: ${survived ? 'SURVIVES' : 'seen'}: ${lineOf(change)}`);
    }
  }
  print(`${count.tried} tried, ${count.survived} survived`);
  return count.survived === 0 ? 0 : 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (import.meta.main) process.exitCode = main();
