import { deepEqual, equal, ok } from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { GRAMMARS } from '../../src/faces/cli/grammar/table.ts';
import { longFlagOf } from '../../src/faces/cli/request.ts';
import { TEXTS } from '../../src/faces/cli/text/table.ts';
import { VERBS } from '../../src/work/verbs/index.ts';
import { schemaFiles } from '../../tools/schemas.ts';

const SCHEMAS = new URL('../../schemas/', import.meta.url);

test('schemas/ matches the schemas of the verbs', async () => {
  const files = await schemaFiles();
  deepEqual(readdirSync(SCHEMAS).sort(), [...files.keys()].sort());
  for (const [name, text] of files) {
    equal(readFileSync(new URL(name, SCHEMAS), 'utf8'), text, `${name}: run npm run docs`);
  }
});

test('every verb has a grammar, a text unless it writes contents, and examples that its schema accepts', async () => {
  const names = VERBS.map(({ name }) => name);
  deepEqual(Object.keys(GRAMMARS).sort(), [...names].sort());
  for (const { name, load } of VERBS) {
    const verb = await load();
    ok(TEXTS[name] !== undefined || verb.givesContents?.({}) === true, name);
    for (const { request } of verb.examples) verb.parse(request);
  }
  for (const name of Object.keys(TEXTS)) ok(names.includes(name), name);
});

test('every option and operand of a verb maps to a key of its schema, and every key has one', async () => {
  for (const { name, load } of VERBS) {
    const { operands = [], options = [] } = GRAMMARS[name] ?? {};
    const keys = new Set([...operands, ...options].map(({ key }) => key));
    // One operand gives two keys: NAME:PATH.
    if (name === 'cp') keys.add('path');
    const { request } = (await load()) as { request: unknown };
    const known = Object.keys((request as { entries: object }).entries);
    deepEqual([...keys].sort(), known.sort(), name);
    const flags = options.map(longFlagOf);
    equal(new Set(flags).size, flags.length, name);
  }
});
