import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  encodeKeyFile,
  escapeKeyValue,
  keyBoolean,
  keyList,
  keyString,
  parseKeyFile,
} from './key-file.ts';

const CONFIG = Buffer.from(
  '# a comment\n[core]\nrepo_version = 1\nmode=archive-z2\n\n[remote "a b"]\r\nurl=http://x/?a=b;c\ngpg-verify=False\n' +
    'gpgkeypath=/a;/b\\;c;\nbranches=\nspaced=\\s x\\n\n[core]\nmode=bare\n',
);

test('groups, keys, lists, booleans and escapes are read as GLib reads them', () => {
  const file = parseKeyFile(CONFIG);
  assert.equal(keyString(file, 'core', 'repo_version'), '1');
  assert.equal(keyString(file, 'core', 'mode'), 'bare');
  assert.equal(keyString(file, 'remote "a b"', 'url'), 'http://x/?a=b;c');
  assert.equal(keyString(file, 'remote "a b"', 'spaced'), '  x\n');
  assert.equal(keyString(file, 'remote "a b"', 'branches'), '');
  assert.equal(keyString(file, 'remote "b"', 'url'), undefined);
  assert.equal(keyBoolean(file, 'remote "a b"', 'gpg-verify'), false);
  assert.equal(keyBoolean(file, 'core', 'mode'), undefined);
  assert.deepEqual(keyList(file, 'remote "a b"', 'gpgkeypath'), ['/a', '/b;c']);
  assert.deepEqual(keyList(file, 'remote "a b"', 'branches'), []);
});

test('parsing a written key file gives the same values', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const text = value.replaceAll('\0', '').trim();
      const bytes = encodeKeyFile(new Map([['core', new Map([['mode', escapeKeyValue(text)]])]]));
      assert.equal(keyString(parseKeyFile(bytes), 'core', 'mode'), text);
    }),
  );
});

for (const text of ['mode=bare\n', '[core]\nwhat\n', '[core]\n=x\n', '[]\n', '[a]b\n']) {
  test(`a key file with ${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => parseKeyFile(Buffer.from(text)), { code: 'OSTREE_KEY_FILE_INVALID' });
  });
}
