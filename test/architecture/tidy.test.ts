import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILE_LINES_MAX = 400;
/** Sources of one folder that fit on a screen, its door and tests aside. */
const FOLDER_FILES_MAX = 15;
const FUNCTION_LINES_MAX = 70;
const NO_ROOM_FOR = /^(utils?|helpers?|common|misc|types)(\.ts)?$/;

/** Files that may be longer, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'src/base/errors/codes.ts': 'one table of all codes',
};

/** Folders that may hold more, each with its reason. */
const LARGE_FOLDERS: Readonly<Record<string, string>> = {
  'src/faces/cli': 'what a command line is made of, beside its verbs',
  'src/faces/cli/grammar': 'one file a verb',
  'src/faces/cli/text': 'one file a verb',
  'src/remotes/http': 'one exchange from its limits to its answer; the fast road is a folder',
  'src/remotes/registry': 'one file a question that a registry answers',
  'src/work/verbs': 'one file a verb',
};

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules/'))
    .map((name) => join(folder, name));
}

const PRODUCT = sources('src').filter((name) => !name.endsWith('.test.ts'));

function lines(file: string): string[] {
  return readFileSync(join(ROOT, file), 'utf8').split('\n');
}

/** Length of each top-level function or method, by the indentation of its closing brace. */
function functions(file: string): { name: string; length: number }[] {
  const all = lines(file);
  return all.flatMap((line, start) => {
    const match =
      /^( {0,2})(?:export )?(?:async )?(?:function\*? |static |get |set )*(\*?[#\w]+)\s*[(<].*$/.exec(
        line,
      );
    if (
      match === null ||
      /^\s*(?:if|for|while|switch|return|await|catch|const|test|describe)\b/.test(line)
    ) {
      return [];
    }
    const head = line.endsWith('(')
      ? (all.find((other, at) => at > start && other.startsWith(`${match[1]})`)) ?? '')
      : line;
    if (!head.endsWith('{')) return [];
    const end = all.findIndex((other, at) => at > start && other.startsWith(`${match[1]}}`));
    return end < 0 ? [] : [{ name: match[2] ?? '', length: end - start + 1 }];
  });
}

test('no source file exceeds the line limit, except the listed ones', () => {
  const long = PRODUCT.filter((file) => lines(file).length > FILE_LINES_MAX + 1);
  assert.deepEqual(
    long.filter((file) => LONG_FILES[file] === undefined),
    [],
  );
});

test('no folder exceeds the file limit, except the listed ones', () => {
  const counts = new Map<string, number>();
  for (const file of PRODUCT) {
    if (basename(file) === 'index.ts') continue;
    counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  }
  const large = [...counts].filter(([, count]) => count > FOLDER_FILES_MAX);
  assert.deepEqual(
    large.filter(([folder]) => LARGE_FOLDERS[folder] === undefined),
    [],
  );
});

test('no function exceeds the line limit', () => {
  const long = PRODUCT.flatMap((file) =>
    functions(file)
      .filter(({ length }) => length > FUNCTION_LINES_MAX)
      .map(({ name, length }) => `${file}: ${name} has ${length} lines`),
  );
  assert.deepEqual(long, []);
});

test('no room or file has a catch-all name', () => {
  const bad = [...PRODUCT, ...sources('test'), ...sources('tools')].filter((file) =>
    file.split('/').some((part) => NO_ROOM_FOR.test(basename(part))),
  );
  assert.deepEqual(bad, []);
});

test('no source file has a TODO or FIXME', () => {
  const mark = new RegExp(`\\b(${['FIX', 'TO', 'XX'].join('|')})(ME|DO|X)\\b`);
  const marked = PRODUCT.filter((file) => lines(file).some((line) => mark.test(line)));
  assert.deepEqual(marked, []);
});

test('every door has a doc comment and re-exports only', () => {
  const doors = PRODUCT.filter((file) => /^src\/(?:\w+\/[^/]+|host)\/index\.ts$/.test(file));
  const bad = doors.filter((file) => {
    const text = lines(file).join('\n');
    const rest = text
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/export (?:type )?\{[\s\S]*?\} from '[^']+';/g, '');
    return !text.startsWith('/**') || rest.replace(/export \* from '[^']+';/g, '').trim() !== '';
  });
  assert.deepEqual(bad, []);
});

test('every Markdown page has exactly one title', () => {
  const pages = ['.', 'docs']
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    .filter((name) => name.endsWith('.md'));
  const bad = pages.filter((page) => {
    const text = readFileSync(join(ROOT, page), 'utf8').replace(/```[\s\S]*?```/g, '');
    return (text.match(/^# /gm) ?? []).length !== 1;
  });
  assert.deepEqual(bad, []);
});
