import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { unpackOstree } from '../../../../test/support/ostree-fixture.ts';
import { makeTempRepository } from '../../../../test/support/ostree-stored.ts';
import { pullCommit } from '../index.ts';

/** What a pull noted about objects. */
async function notesOf(path: string): Promise<string[]> {
  using temp = await makeTempRepository();
  const notes: string[] = [];
  await pullCommit(temp.repository, { kind: 'local', path }, 'test/v1', {
    onProgress: (event) => {
      if (event.type === 'note' && event.text.includes('odd')) notes.push(event.text);
    },
  });
  return notes;
}

test('a pull warns about odd objects that it accepts', async () => {
  using fixture = unpackOstree('mini');
  const path = `${fixture.path}/fxmini/r-archive`;
  assert.deepEqual(await notesOf(path), []);
  for (const file of globSync(`${path}/objects/*/*.filez`)) {
    const filez = readFileSync(file);
    filez[5] = 1;
    // The type in the mode of the header.
    const isLink = (filez[26] ?? 0) >> 4 === 10;
    const isShort = filez.length < 70;
    const ending = isLink || isShort ? '' : 'x';
    const whole = Buffer.concat([filez, Buffer.from(ending)]);
    writeFileSync(file, !isLink && isShort ? whole.subarray(0, -1) : whole);
  }
  const notes = await notesOf(path);
  assert.deepEqual(notes.map((note) => note.replace(/^\d+ objects are odd: /, '')).sort(), [
    'bytes 4 to 7 are not zero',
    'bytes follow the deflate stream',
    'the deflate stream has no end',
  ]);
});
