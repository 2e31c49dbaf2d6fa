import { deepEqual, equal, ok } from 'node:assert/strict';
import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Dir } from '#host';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { OWN } from '../layout.ts';
import { NoteStore } from './notes.ts';

const FOLDER = `${OWN}/notes`;

function open(path: string) {
  const root = Dir.open(path);
  return { root, notes: new NoteStore(root, FOLDER) };
}

test('reading a note gives its last written text, and its file has mode 0600', () => {
  using temp = makeTempDir();
  const { root, notes } = open(temp.path);
  using _ = root;
  equal(notes.read('a'), undefined);
  notes.write('a', 'first, which is longer');
  notes.write('a', 'second');
  equal(notes.read('a'), 'second');
  equal(statSync(join(temp.path, FOLDER, 'a')).mode & 0o777, 0o600);
});

test('a held note cannot be held again, and disappears when it is removed', () => {
  using temp = makeTempDir();
  const { root, notes } = open(temp.path);
  using _ = root;
  {
    using held = notes.hold('a');
    equal(held?.text, '');
    held?.write('mine');
    equal(notes.hold('a'), undefined);
    notes.write('a', 'theirs');
    equal(notes.read('a'), 'mine');
  }
  using again = notes.hold('a');
  equal(again?.text, 'mine');
  again?.remove();
  equal(existsSync(join(temp.path, FOLDER, 'a')), false);
});

test('a note that is too large, a link or a folder, or that cannot be written, is absent', () => {
  using temp = makeTempDir();
  const { root, notes } = open(temp.path);
  using _ = root;
  mkdirSync(join(temp.path, FOLDER), { recursive: true });
  writeFileSync(join(temp.path, FOLDER, 'huge'), Buffer.alloc(70_000));
  writeFileSync(join(temp.path, 'outside'), 'secret');
  symlinkSync('../../outside', join(temp.path, FOLDER, 'link'));
  mkdirSync(join(temp.path, FOLDER, 'folder'));
  for (const name of ['huge', 'link', 'folder']) equal(notes.read(name), undefined);
  equal(notes.hold('link'), undefined);
  equal(notes.hold('folder'), undefined);
  using file = open(join(temp.path)).root;
  const blocked = new NoteStore(file, 'outside/notes');
  blocked.write('a', 'b');
  equal(blocked.read('a'), undefined);
});

test('findStale lists the notes that the predicate selects', () => {
  using temp = makeTempDir();
  const { root, notes } = open(temp.path);
  using _ = root;
  deepEqual(
    notes.findStale(() => true),
    [],
  );
  notes.write('old', '');
  notes.write('new', '');
  deepEqual(
    notes.findStale((name, ageSec) => {
      ok(ageSec < 60);
      return name === 'old';
    }),
    [`${FOLDER}/old`],
  );
});
