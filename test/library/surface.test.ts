import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { doors } from '../../tools/api-reference.ts';
import { ROOT } from '../support/packed-package.ts';

/** One line a name: the door, `type` for what is gone at run time, the name. A new line is a promise; one that goes breaks programs. */
const SURFACE = readFileSync(new URL('surface.txt', import.meta.url), 'utf8');

/** The source of a door, by the path of its published declarations. */
function sourceOf(types: string): string {
  return join(ROOT, types.replace('./dist/', 'src/').replace(/\.d\.ts$/, '.ts'));
}

/** What a door exports, from its export lists. */
function namesOf(source: string): string[] {
  const text = readFileSync(source, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const lists = [...text.matchAll(/^export (type )?\{([^}]*)\} from '[^']+';$/gm)];
  // Nothing else is exported: a star would let a room change what is public.
  assert.equal(lists.length, text.match(/^export\b/gm)?.length, source);
  return lists.flatMap(([, isType, list = '']) =>
    list
      .split(',')
      .map((name) =>
        name
          .trim()
          .replace(/^(.*) as (\S+)$/, (_, before: string, name: string) =>
            before.startsWith('type ') ? `type ${name}` : name,
          ),
      )
      .filter((name) => name !== '')
      .map((name) => (isType === undefined || name.startsWith('type ') ? name : `type ${name}`)),
  );
}

test('each door exports exactly the listed public names', () => {
  const found = doors().flatMap(({ name, types }) =>
    namesOf(sourceOf(types)).map((exported) => `${name} ${exported}`),
  );
  assert.deepEqual(found.toSorted(), SURFACE.trim().split('\n').toSorted());
});

test('the run-time exports of each door match its lists', async () => {
  for (const { name, types } of doors()) {
    const source = sourceOf(types);
    const module = (await import(pathToFileURL(source).href)) as object;
    const values = namesOf(source).filter((exported) => !exported.startsWith('type '));
    assert.deepEqual(Object.keys(module).toSorted(), values.toSorted(), name);
  }
});
