import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { METHODS_FILE, varlinkTypes } from '../../tools/varlink-types.ts';

test('the types of varlink methods match the interface descriptions; npm run docs generates them', () => {
  // The formatter breaks long unions.
  const plain = (text: string) => text.replace(/\s/g, '').replace(/([:(])\|/g, '$1');
  assert.equal(plain(readFileSync(METHODS_FILE, 'utf8')), plain(varlinkTypes()));
});
