import { deepEqual, equal } from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ObjectId } from '#base/digest';
import { Dir } from '#host';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { VerifiedMarks } from './verified.ts';

const ID = 'ab'.repeat(32) as ObjectId;
/** A time long after the creation of every file. */
const LATER_MS = Date.now() + 3_600_000;

function withMarked(work: (path: string, marks: VerifiedMarks, has: () => boolean) => void): void {
  using temp = makeTempDir();
  using root = Dir.open(temp.path);
  writeFileSync(join(temp.path, 'image'), 'content');
  const marks = new VerifiedMarks(root);
  const has = () => {
    using file = root.openFile('image');
    return marks.has(ID, file);
  };
  {
    using file = root.openFile('image');
    marks.add(ID, file, LATER_MS);
  }
  work(temp.path, marks, has);
}

test('a mark is valid for the file that was hashed', () => {
  withMarked((_path, _marks, has) => equal(has(), true));
});

for (const [what, change] of [
  [
    'written to, even when its time is set back',
    (path: string) => {
      const { atime, mtime } = { atime: new Date(1e12), mtime: new Date(1e12) };
      writeFileSync(join(path, 'image'), 'Content');
      utimesSync(join(path, 'image'), atime, mtime);
    },
  ],
  ['made longer', (path: string) => writeFileSync(join(path, 'image'), 'content and more')],
] as const) {
  test(`a mark is invalid once the file was ${what}`, () => {
    withMarked((path, _marks, has) => {
      change(path);
      equal(has(), false);
    });
  });
}

test('marks in a folder that others may write are ignored', () => {
  withMarked((path, _marks, has) => {
    chmodSync(join(path, '.onecopy/verified'), 0o777);
    equal(has(), false);
    chmodSync(join(path, '.onecopy/verified'), 0o755);
    chmodSync(join(path, '.onecopy'), 0o775);
    equal(has(), false);
  });
});

test('a mark that is truncated or belongs to another file is ignored', () => {
  withMarked((path, _marks, has) => {
    const mark = join(path, '.onecopy/verified', ID);
    const text = readFileSync(mark, 'utf8');
    for (let end = 0; end < text.length; end += 1) {
      writeFileSync(mark, text.slice(0, end));
      equal(has(), false, `${end}`);
    }
  });
});

test('a file that changed a moment ago gets no mark, because it may change again within the same timestamp', () => {
  using temp = makeTempDir();
  using root = Dir.open(temp.path);
  writeFileSync(join(temp.path, 'image'), 'content');
  using file = root.openFile('image');
  new VerifiedMarks(root).add(ID, file, Date.now());
  deepEqual(root.lstat('.onecopy'), undefined);
  mkdirSync(join(temp.path, '.onecopy'));
});
