import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { OUTSIDE, ROOMS } from '../../tools/rooms.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const IMPORT =
  /(?:^|[;\n])\s*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|\bimport\(\s*'([^']+)'/g;

interface Edge {
  readonly file: string;
  readonly room: string;
  readonly specifier: string;
}

function sources(): string[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join('src', name));
}

function roomOf(file: string): string {
  const [floor = '', noun = '', ...rest] = relative('src', file).split('/');
  if (floor === 'host') return 'host';
  return rest.length === 0 ? floor : `${floor}/${noun}`;
}

function edges(): Edge[] {
  return sources().flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    return [...text.matchAll(IMPORT)].map((match) => ({
      file,
      room: roomOf(file),
      specifier: match[1] ?? match[2] ?? '',
    }));
  });
}

const ALL = edges();
const INNER = ALL.filter((edge) => edge.specifier.startsWith('#'));
const OUTER = ALL.filter((edge) => !/^[#.]/.test(edge.specifier));

test('every import of another room is allowed by the table', () => {
  const wrong = INNER.filter((edge) => !ROOMS[edge.room]?.includes(edge.specifier.slice(1)));
  assert.deepEqual(
    wrong.map((edge) => `${edge.file}: ${edge.room} -> ${edge.specifier.slice(1)}`),
    [],
  );
});

test('every permission of the table is needed', () => {
  const used = new Set(INNER.map((edge) => `${edge.room} -> ${edge.specifier.slice(1)}`));
  const idle = Object.entries(ROOMS).flatMap(([room, doors]) =>
    doors.map((door) => `${room} -> ${door}`).filter((edge) => !used.has(edge)),
  );
  assert.deepEqual(idle, []);
});

test('the table has no cycle, and every room in it exists', () => {
  const state = new Map<string, 'open' | 'done'>();
  const visit = (room: string, path: string[]): void => {
    assert.notEqual(state.get(room), 'open', `cycle: ${[...path, room].join(' -> ')}`);
    if (state.get(room) === 'done') return;
    assert.ok(ROOMS[room], `${room} is not in the table`);
    state.set(room, 'open');
    for (const next of ROOMS[room]) visit(next, [...path, room]);
    state.set(room, 'done');
  };
  for (const room of Object.keys(ROOMS)) visit(room, []);
  const built = new Set(sources().map(roomOf));
  assert.deepEqual(
    Object.keys(ROOMS).filter((room) => !built.has(room)),
    [],
  );
});

test('a relative import stays inside its room', () => {
  const wrong = ALL.filter((edge) => {
    if (!edge.specifier.startsWith('.') || edge.room === 'index.ts') return false;
    return roomOf(join(dirname(edge.file), edge.specifier)) !== edge.room;
  });
  assert.deepEqual(
    wrong.map((edge) => `${edge.file}: ${edge.specifier}`),
    [],
  );
});

test('external modules are imported only where the table allows it', () => {
  const wrong = OUTER.filter((edge) => {
    const allowed = Object.entries(OUTSIDE).find(([prefix]) => edge.room === prefix)?.[1] ?? [];
    return !allowed.some(
      (name) => edge.specifier === name || edge.specifier.startsWith(`${name}/`),
    );
  });
  assert.deepEqual(
    wrong.map((edge) => `${edge.file}: ${edge.specifier}`),
    [],
  );
});
