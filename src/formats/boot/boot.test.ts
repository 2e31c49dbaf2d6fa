import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import {
  editBlsEntry,
  encodeBlsEntry,
  filesOfBlsEntry,
  findImageArgument,
  formatImageArgument,
  isPe,
  parseBlsEntry,
  readPeSection,
  requireAndroidKernel,
} from './index.ts';

const ID = 'ab'.repeat(32) as ObjectId;

test('findImageArgument finds the composefs argument that formatImageArgument wrote', () => {
  for (const version of [0, 1, 2] as const) {
    for (const requiresVerity of [true, false]) {
      const text = `quiet ${formatImageArgument({ id: ID, requiresVerity }, version)} "a b"`;
      assert.deepEqual(findImageArgument(text, 'sha256'), { id: ID, requiresVerity });
      assert.equal(findImageArgument(text, 'sha512'), undefined);
    }
  }
  assert.equal(findImageArgument(`"composefs=${ID}`, 'sha256'), undefined);
});

const TEXT = 'title  A\n# note\nlinux /boot/vm\ninitrd\t/boot/rd \noptions root=x ro\nx-y  keep\n';

test('editing a BLS entry keeps every line that is not edited', () => {
  const entry = parseBlsEntry(Buffer.from(TEXT), 'a.conf');
  assert.equal(encodeBlsEntry(entry).toString(), TEXT);
  assert.deepEqual(filesOfBlsEntry(entry), ['/boot/vm', '/boot/rd']);
  const edited = editBlsEntry(entry, { folder: 'id', args: ['composefs=1', 'quiet'] });
  assert.equal(
    encodeBlsEntry(edited).toString(),
    'title  A\n# note\nlinux /id/vm\ninitrd\t/id/rd\noptions root=x ro composefs=1 quiet\nx-y  keep\n',
  );
  assert.deepEqual(editBlsEntry({ lines: ['title'] }, { args: ['a'] }).lines, [
    'title',
    'options a',
  ]);
});

function peFile(sections: Readonly<Record<string, string>>): Buffer {
  const names = Object.keys(sections);
  const file = Buffer.alloc(4096);
  file.writeUInt32LE(0x40, 0x3c);
  file.write('PE\0\0', 0x40, 'latin1');
  file.writeUInt16LE(names.length, 0x44 + 2);
  let at = 1024;
  for (const [index, name] of names.entries()) {
    const header = 0x44 + 20 + 40 * index;
    const content = Buffer.from(sections[name] as string);
    file.write(name, header, 'latin1');
    file.writeUInt32LE(content.length, header + 8);
    file.writeUInt32LE(at, header + 20);
    at += content.copy(file, at);
  }
  return file;
}

test('readPeSection reads sections, and a truncated PE file is refused or lacks the section', () => {
  const file = peFile({ '.osrel': 'ID=x', '.cmdline': 'quiet' });
  assert.ok(isPe(file));
  assert.equal(readPeSection(file, '.cmdline', 'x')?.toString(), 'quiet');
  assert.equal(readPeSection(file, '.linux', 'x'), undefined);
  for (let length = 0; length < 1033; length += 1) {
    assert.throws(
      () => readPeSection(file.subarray(0, length), '.cmdline', 'x'),
      (error) => isOnecopyError(error) && error.code === 'BOOT_FILE_INVALID',
    );
  }
});

test('reading a section of arbitrary bytes gives a section or a typed error', () => {
  const file = peFile({ '.cmdline': 'quiet' });
  fc.assert(
    fc.property(fc.nat(160), fc.nat(255), (at, value) => {
      const changed = Buffer.from(file);
      changed[at] = value;
      try {
        readPeSection(changed, '.cmdline', 'x');
      } catch (error) {
        assert.ok(isOnecopyError(error), String(error));
      }
    }),
  );
});

test('the kernel of an Android boot image is found for each header version', () => {
  const file = Buffer.alloc(4096 + 100, 'k');
  file.fill(0, 0, 64);
  file.write('ANDROID!', 'latin1');
  file.writeUInt32LE(100, 8);
  file.writeUInt32LE(2048, 36);
  file.writeUInt32LE(2, 40);
  assert.equal(requireAndroidKernel(file, 'x').length, 100);
  file.writeUInt32LE(4, 40);
  assert.equal(requireAndroidKernel(file, 'x').length, 100);
  for (const [version, length] of [
    [1, 4196],
    [4, 4195],
    [2, 43],
    [2, 7],
  ] as const) {
    file.writeUInt32LE(version, 40);
    assert.throws(() => requireAndroidKernel(file.subarray(0, length), 'x'), {
      code: 'BOOT_FILE_INVALID',
    });
  }
});
