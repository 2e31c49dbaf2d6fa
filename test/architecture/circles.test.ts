import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** `import … from './x.ts'` and `export … from './x.ts'`: what stands between, and the file. */
const STATEMENT = /(?:^|\n)\s*(?:import|export)\b([^'";]*?)\bfrom\s*'(\.[^']+)'/g;

/** Whether an import brings anything that is there when the program runs. */
function carriesValues(clause: string): boolean {
  if (/^\s+type\b/.test(clause)) return false;
  const names = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1];
  if (names === undefined) return true;
  return names.split(',').some((name) => name.trim() !== '' && !name.trim().startsWith('type '));
}

/** The files of the same room whose values a file needs. */
function needsOf(file: string, text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  return [...code.matchAll(STATEMENT)]
    .filter(([, clause = '']) => carriesValues(clause))
    .map(([, , path = '']) => join(dirname(file), path));
}

/** A circle that can be walked along the needs, if there is one. */
function findCircle(needs: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of needs.get(file) ?? []) {
      const circle = walk(next, [...path, file]);
      if (circle !== undefined) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of needs.keys()) {
    const circle = walk(file, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

test('no files import values from each other in a circle', () => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join('src', name));
  const needs = new Map(
    files.map((file) => [file, needsOf(file, readFileSync(join(ROOT, file), 'utf8'))]),
  );
  assert.equal(findCircle(needs)?.join(' -> '), undefined);
});

test('a circle of value imports is found, and a circle of type imports is not', () => {
  const circle = (clause: string) =>
    findCircle(
      new Map([
        ['a.ts', needsOf('a.ts', "import { b } from './b.ts';")],
        ['b.ts', needsOf('b.ts', `import ${clause} from './a.ts';`)],
      ]),
    );
  assert.deepEqual(circle('{ type T, a }'), ['a.ts', 'b.ts', 'a.ts']);
  assert.deepEqual(circle('* as all'), ['a.ts', 'b.ts', 'a.ts']);
  assert.equal(circle('type { T }'), undefined);
  assert.equal(circle('{ type T, type U }'), undefined);
});
