import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAliases, parsePolicyName, parseRules } from './rules.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

test('a rule has a pattern, an optional file type and a label', () => {
  const text = '# comment\n\n/a\tx:1\n  /b  -d  x:2  more\n/c <<none>>\r\n';
  const read = parseRules(bytes(text), 'f').map(({ pattern, type, label, origin }) => [
    pattern,
    type,
    label,
    origin.offset,
  ]);
  assert.deepEqual(read, [
    ['/a', undefined, 'x:1', 11],
    ['/b', 'd', 'x:2', 18],
    ['/c', undefined, undefined, 38],
  ]);
  for (const type of ['--', '-d', '-l', '-c', '-b', '-p', '-s']) {
    assert.equal(parseRules(bytes(`/a ${type} x:1`), 'f')[0]?.type, type.slice(1));
  }
});

test('an alias has two words, and other lines are ignored', () => {
  const text = '# /x /y\n/a /b\n/c\n\n /d\t/e f\n';
  assert.deepEqual(parseAliases(bytes(text), 'f'), [
    ['/a', '/b'],
    ['/d', '/e'],
  ]);
  assert.deepEqual(parseAliases(undefined, 'f'), []);
});

test('the policy name is the value of the first SELINUXTYPE, in any case and for any value of SELINUX', () => {
  const name = (text: string) => parsePolicyName(bytes(text));
  assert.equal(name('SELINUX=disabled\n selinuxType =  targeted \nSELINUXTYPE=mls\n'), 'targeted');
  assert.equal(name('# SELINUXTYPE=a\nSELINUXTYPE=b'), 'b');
  assert.equal(name('SELINUX=enforcing\n'), undefined);
  assert.equal(name(''), undefined);
  for (const wrong of ['', '.', '..', 'a/b', 'a\0b']) {
    assert.throws(() => name(`SELINUXTYPE=${wrong}\n`), { code: 'SELINUX_POLICY_INVALID' });
  }
});
