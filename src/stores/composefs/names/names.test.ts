import { doesNotThrow, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '#base/bytes';
import { hasCode } from '#base/errors';
import { checkTagName, decodeTag, encodeTag, splitRefName, textOf } from './names.ts';

test('encodeTag escapes the percent sign before the slash', () => {
  equal(encodeTag('a/b%c'), 'a%2Fb%25c');
  equal(encodeTag('%2F'), '%252F');
});

test('decodeTag decodes only the two upper-case escapes', () => {
  equal(decodeTag('a%2Fb%25c'), 'a/b%c');
  equal(decodeTag('%2f%41'), '%2f%41');
});

test('decodeTag reverses encodeTag', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => equal(decodeTag(encodeTag(name)), name)),
  );
});

for (const name of [
  '',
  '.',
  '..',
  '@x',
  'a\n',
  'a\0b',
  '\u007f',
  '\ud800',
  'x'.repeat(256),
  '/'.repeat(86),
]) {
  test(`checkTagName refuses ${JSON.stringify(name.slice(0, 12))} of ${name.length} characters`, () => {
    throws(
      () => checkTagName(name),
      (error) => hasCode(error, 'REF_NAME_INVALID'),
    );
  });
}

for (const name of [
  'a',
  'quay.io/x/y:1.0',
  'sha256:ab',
  '...',
  'x'.repeat(255),
  '/'.repeat(85),
  'ä',
  ' ',
]) {
  test(`checkTagName accepts ${JSON.stringify(name.slice(0, 12))} of ${name.length} characters`, () => {
    doesNotThrow(() => checkTagName(name));
  });
}

test('splitRefName refuses a path that leads outside the directory of references', () => {
  for (const name of ['../x', 'a/../b', '/a', 'a/', 'a//b', '']) {
    throws(
      () => splitRefName(name),
      (error) => hasCode(error, 'REF_NAME_INVALID'),
    );
  }
  equal(splitRefName('oci/a').length, 2);
});

test('textOf gives undefined for bytes that are not UTF-8', () => {
  equal(textOf('\xff' as ByteString), undefined);
  equal(textOf('\xc3\xa4' as ByteString), 'ä');
});
