import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Tree, UNSET_STAT } from '#formats/tree';
import { OPEN, writeAll } from '#host';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { composeImage, writeImage } from './compose.ts';
import { hashFile } from './scan.ts';

describe('composeImage', () => {
  it('refuses a version range above the versions of C', () => {
    const source = { tree: new Tree(UNSET_STAT) };
    for (const range of [
      { min: 2, max: 2 },
      { min: 0, max: 5 },
      { min: 2, max: 1 },
    ]) {
      assert.throws(() => composeImage(source, range), { code: 'IMAGE_VERSION_RANGE' });
    }
  });

  it('takes the lowest version of a range, also when the ends are swapped, as C does', () => {
    const source = { tree: new Tree(UNSET_STAT) };
    assert.deepEqual(
      composeImage(source, { min: 1, max: 0 }),
      composeImage(source, { min: 1, max: 1 }),
    );
  });
});

describe('writeImage', () => {
  it('refuses to write an image to a terminal', () => {
    assert.throws(() => writeImage(new Uint8Array(0), '-', () => true), {
      code: 'IMAGE_OUTPUT_IS_TERMINAL',
    });
  });
});

describe('hashFile', () => {
  it('refuses a file whose size changed since stat', () => {
    using temp = makeTempDir();
    using file = temp.dir.openFile('f', OPEN.readWrite | OPEN.create);
    writeAll(file, Buffer.from('hello world'));
    assert.equal(
      hashFile(file, 11),
      '1e2eaa4202d750a41174ee454970b92c1bc2f925b1e35076d8c7d5f56362ba64',
    );
    for (const size of [10, 12])
      assert.throws(() => hashFile(file, size), { code: 'FILE_CHANGED' });
  });
});
