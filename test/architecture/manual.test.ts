import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES } from '#base/errors';
import { type Asked, buildCommands } from '../../src/faces/cli/commands.ts';
import { GRAMMARS } from '../../src/faces/cli/grammar/table.ts';
import type { CommandExample, Section } from '../../src/faces/cli/manual/page.ts';
import { spellRequest } from '../../src/faces/cli/manual/spell.ts';
import { ENVIRONMENT, EXIT_CODES, TOPICS } from '../../src/faces/cli/manual/topics.ts';
import { requestOf } from '../../src/faces/cli/request.ts';
import { VERBS } from '../../src/work/verbs/index.ts';
import { errorsPage, replaceBetween } from '../../tools/docs.ts';
import { exitCodeTable, manualFiles, manualPages } from '../../tools/manual.ts';
import { findProgram, needs } from '../support/capability.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

test('docs/cli.md, the man pages and the exit codes in README match the table of verbs', async () => {
  const files = await manualFiles();
  const pages = [...files.keys()].filter((path) => path.startsWith('man/'));
  deepEqual(readdirSync(join(ROOT, 'man')).sort(), pages.map((path) => path.slice(4)).sort());
  for (const [path, text] of files) equal(read(path), text, `${path}: run npm run docs`);
  const readme = read('README.md');
  equal(readme, replaceBetween(readme, 'exit-codes', exitCodeTable()), 'run npm run docs');
});

test('man renders every page without a warning', (t) => {
  if (!needs(t, 'tool:man')) return;
  const pages = readdirSync(join(ROOT, 'man')).map((name) => join(ROOT, 'man', name));
  const env = { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '80', MAN_KEEP_STDERR: '1' };
  const done = spawnSync(findProgram('man') ?? 'man', ['--warnings=w', '-l', ...pages], {
    encoding: 'utf8',
    env,
  });
  deepEqual([done.status, done.stderr], [0, '']);
  match(done.stdout, /onecopy pull \[options\] <reference> \[name\.\.\.\]/);
});

test('every example of the manual is a command line that parses to its request', async () => {
  for (const row of VERBS) {
    const grammar = GRAMMARS[row.name] ?? {};
    const verb = await row.load();
    ok(verb.examples.length > 0, `${row.name} has no example`);
    for (const { request } of verb.examples) {
      const command = spellRequest(row.name, grammar, request as Record<string, unknown>);
      let asked: Asked | undefined;
      const program = buildCommands('0', async (one) => {
        asked = one;
      });
      await program.parseAsync(wordsOf(command).slice(1), { from: 'user' });
      equal(asked?.row.name, row.name, command);
      if (asked !== undefined) {
        deepEqual(verb.parse(requestOf(grammar, asked)), verb.parse(request), command);
      }
    }
  }
});

/** The words of a command line with single quotes. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ''));
}

/** Their examples need root or FUSE; the tests of the programs mount. */
const MOUNTING = ['composefs-fuse', 'mount.composefs'];

test('the examples of the composefs tools succeed', async () => {
  using scratch = makeTempDir();
  mkdirSync(join(scratch.path, 'rootfs'));
  writeFileSync(join(scratch.path, 'rootfs/hello.txt'), 'hello'.repeat(100));
  const tools = (await manualPages()).filter(({ title }) => !title.startsWith('onecopy'));
  const pages = tools.filter(({ title }) => !MOUNTING.includes(title));
  deepEqual(
    pages.map(({ title }) => title),
    ['mkcomposefs', 'composefs-info', 'composefs-dump'],
  );
  for (const { command } of pages.flatMap(({ sections }) => sections.flatMap(examplesOf))) {
    const [program = '', ...args] = wordsOf(command);
    const done = spawnSync(join(ROOT, 'bin', program), args, {
      cwd: scratch.path,
      encoding: 'utf8',
    });
    deepEqual([done.status, done.stderr], [0, ''], command);
  }
});

function examplesOf({ examples = [] }: Section): readonly CommandExample[] {
  return examples;
}

test('a verb that can report findings documents them, and names only existing verbs', async () => {
  const names = VERBS.map(({ name }) => name);
  for (const { name, load } of VERBS) {
    const { finding, seeAlso = [] } = GRAMMARS[name] ?? {};
    equal(finding !== undefined, (await load()).hasFindings !== undefined, name);
    for (const other of seeAlso) ok(names.includes(other), `${name}: ${other}`);
  }
});

test('the list of exit codes has the status of every error', () => {
  const known = EXIT_CODES.map(({ term }) => term);
  const used = [...errorsPage().matchAll(/^\| `\w+` \| [\w-]+ \| (\d+) \|/gm)].map(
    ([, exit = '']) => exit,
  );
  equal(used.length, Object.keys(ERROR_CODES).length);
  deepEqual(
    used.filter((exit) => !known.includes(exit)),
    [],
  );
});

test('the list of environment variables has every variable that the source reads', () => {
  const known = ENVIRONMENT.flatMap(({ term }) => term.split(', '));
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => read(join('src', name)));
  const asked = sources.flatMap((text) =>
    [
      ...text.matchAll(
        /(?:process\.env|environment|variables)\['(\w+)'\]|\bvariable\(\w+, '(\w+)'/g,
      ),
    ].map(([, direct, looked]) => direct ?? looked ?? ''),
  );
  ok(asked.length > 10);
  // No settings: REQUEST_METHOD marks a CGI script, in which HTTP_PROXY is a header of the client, ONECOPY_STDOUT and ONECOPY_CALLED_AS are from the launcher.
  const marks = ['REQUEST_METHOD', 'ONECOPY_STDOUT', 'ONECOPY_CALLED_AS'];
  const missing = new Set(
    asked.filter((name) => ![...known, ...marks].includes(name)).map(lowerProxy),
  );
  deepEqual(
    [...missing].filter((name) => !known.includes(name)),
    [],
  );
  ok(TOPICS['environment'] !== undefined);
});

function lowerProxy(name: string): string {
  return name.endsWith('_PROXY') ? name.toLowerCase() : name;
}
