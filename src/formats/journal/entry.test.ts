import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeEntry, isFieldName, isMessageId } from './index.ts';

test('an entry has one field per pair, and no value can add another', () => {
  const bytes = encodeEntry([
    ['MESSAGE', 'two\nlines'],
    ['PRIORITY', '5'],
    ['_PID', '1'],
    ['lower', 'x'],
    ['EMPTY', ''],
  ]);
  const expected = Buffer.concat([
    Buffer.from('MESSAGE\n'),
    Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from('two\nlines\nPRIORITY=5\nEMPTY=\n'),
  ]);
  assert.deepEqual(Buffer.from(bytes), expected);
});

test('field names and message ids are limited to those that journald accepts', () => {
  for (const name of ['MESSAGE_ID', 'A', 'X9', 'A'.repeat(64)]) assert.ok(isFieldName(name), name);
  for (const name of ['', '_A', '9A', 'a', 'A-B', 'A=', 'A'.repeat(65)])
    assert.ok(!isFieldName(name), name);
  assert.ok(isMessageId('c9784b417efb49009602f81064cfd4ad'));
  for (const id of [
    '',
    'c9784b417efb49009602f81064cfd4ad1',
    'C9784B417EFB49009602F81064CFD4AD',
    '0'.repeat(32),
  ]) {
    assert.ok(!isMessageId(id), id);
  }
});
