import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES } from '#base/errors';
import { errorsPage } from '../../tools/docs.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CODES = Object.keys(ERROR_CODES);

function textOf(folders: readonly string[], wanted: (name: string) => boolean): string {
  return folders
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && wanted(name))
        .map((name) => readFileSync(join(ROOT, folder, name), 'utf8')),
    )
    .join('\n');
}

test('the registry is sorted by code', () => {
  assert.deepEqual(CODES, [...CODES].sort());
});

test('every error code is thrown somewhere', () => {
  const sources = textOf(
    ['src'],
    (name) => !name.endsWith('.test.ts') && name !== 'base/errors/codes.ts',
  );
  assert.deepEqual(
    CODES.filter((code) => !sources.includes(`'${code}'`)),
    [],
  );
});

/** What a code stands in where a test demands it: no comment, no import, no title of a test. */
const NO_ASSERTION =
  /^\s*(?:\/\/|\/?\*).*$|^import\b[^;]*;|^\s*(?:test|it|describe)\(\s*(?:'[^'\n]*'|`[^`]*`)/gm;

test('every error code is asserted by a test', () => {
  const tests = textOf(['src', 'test', 'fuzz'], (name) => name.endsWith('.test.ts'));
  const demands = tests.replace(NO_ASSERTION, '');
  // As a value, a member of a list, or in what a program must have said.
  assert.deepEqual(
    CODES.filter((code) => !new RegExp(`['"\`/(| ]${code}['"\`/)|\\\\ ,]`).test(demands)),
    [],
  );
});

test('docs/errors.md matches what the registry generates', () => {
  assert.equal(readFileSync(join(ROOT, 'docs/errors.md'), 'utf8'), errorsPage());
});
