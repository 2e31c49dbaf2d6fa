import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOnecopyError, UsageError } from '#base/errors';
import { unmount } from '#host';
import { needs } from '../../../test/support/capability.ts';
import { mountLoopFilesystem } from '../../../test/support/loop-fs.ts';
import { main as mkcomposefs } from './mkcomposefs.ts';
import { main, readMountOptions } from './mount-composefs.ts';
import { splitMountOptions } from './mount-options.ts';
import { ToolError } from './run.ts';
import { parseLetters } from './short-options.ts';

const ID = '0123456789abcdef'.repeat(4);

test('short options are parsed as getopt does: grouped, with a joined value, or after operands', () => {
  const table = { o: true, n: false, v: false };
  assert.deepEqual(parseLetters(['a', '-nvo', 'x', '-oy', 'b', '--', '-n'], table, 'p'), {
    letters: [
      { letter: 'n', value: undefined },
      { letter: 'v', value: undefined },
      { letter: 'o', value: 'x' },
      { letter: 'o', value: 'y' },
    ],
    operands: ['a', 'b', '-n'],
  });
  for (const argv of [['-x'], ['--no'], ['-o'], ['-constructor']]) {
    assert.throws(() => parseLetters(argv, table, 'p'), UsageError);
  }
});

test('mount options are split at unescaped commas and at the first equals sign', () => {
  assert.deepEqual(splitMountOptions('a=b=c,d\\,e,f\\\\,'), [
    { name: 'a', value: 'b=c' },
    { name: 'd,e', value: undefined },
    { name: 'f\\', value: undefined },
    { name: '', value: undefined },
  ]);
});

test('mount options mean what they mean to the C program', () => {
  const base = { digest: undefined, verity: 'off', writable: undefined, idMap: undefined } as const;
  const rows = [
    ['basedir=a', { ...base, objects: ['a'], readOnly: false }],
    ['basedir=a:b,ro', { ...base, objects: ['a', 'b'], readOnly: true }],
    ['basedir=a,ro,rw', { ...base, objects: ['a'], readOnly: false }],
    ['basedir=a,tryverity', { ...base, objects: ['a'], readOnly: false, verity: 'try' }],
    [
      'basedir=a,verity=1,tryverity',
      { ...base, objects: ['a'], readOnly: false, verity: 'require' },
    ],
    [
      `basedir=a,digest=${ID}`,
      { ...base, objects: ['a'], readOnly: false, verity: 'require', digest: ID },
    ],
    [
      'basedir=a,upperdir=u,workdir=w,idmap=n',
      { ...base, objects: ['a'], readOnly: false, writable: { upper: 'u', work: 'w' }, idMap: 'n' },
    ],
  ] as const;
  for (const [list, expected] of rows) assert.deepEqual(readMountOptions(list, false), expected);
  assert.deepEqual(readMountOptions('basedir=a,x-odd=1,,', true).objects, ['a']);
});

/** Each is refused by the C program too, but for the digest that is empty: that one would mount without a check. */
const REFUSED = [
  'basedir',
  'basedir=',
  'basedir=a:',
  'basedir=:a',
  'basedir=a,,ro',
  'basedir=a,defaults',
  'basedir=a,digest',
  'basedir=a,digest=',
  `basedir=a,digest=${ID.slice(1)}`,
  `basedir=a,digest=${ID.replace('0', 'g')}`,
  'basedir=a,upperdir=u',
  'basedir=a,workdir=w',
  'basedir=a,upperdir=,workdir=w',
  'basedir=a,idmap',
  'ro',
  '',
];

for (const list of REFUSED) {
  test(`mount options are refused: "${list}"`, () => {
    assert.throws(
      () => readMountOptions(list, false),
      (error) => error instanceof ToolError || isOnecopyError(error),
    );
  });
}

test('an image is mounted with two object directories, id mapping and a writable layer', async (t) => {
  if (!needs(t, 'root', 'mount-api', 'erofs', 'overlay', 'xfs')) return;
  await using disk = await mountLoopFilesystem('xfs');
  const at = (name: string) => join(disk.path, name);
  for (const name of ['tree', 'empty', 'm', 'up', 'wk']) mkdirSync(at(name));
  writeFileSync(at('tree/large'), 'x'.repeat(5000));
  chownSync(at('tree/large'), 1000, 1001);
  assert.equal(await mkcomposefs([`--digest-store=${at('store')}`, at('tree'), at('a.img')]), 0);
  const objects = `basedir=${at('empty')}:${at('store')}`;
  const mounted = async (argv: readonly string[], look: () => void) => {
    assert.equal(await main([...argv, at('a.img'), at('m')]), 0);
    try {
      look();
    } finally {
      unmount(at('m'));
    }
  };
  await mounted(['-n', '-v', '-t', 'composefs', '-o', `${objects},ro`], () => {
    assert.equal(readFileSync(at('m/large'), 'utf8'), 'x'.repeat(5000));
    assert.match(readFileSync('/proc/self/mountinfo', 'utf8'), / - overlay composefs ro,/);
    assert.equal(statSync(at('m/large')).uid, 1000);
  });
  await mounted(['-s', '-o', `${objects},odd,upperdir=${at('up')},workdir=${at('wk')}`], () => {
    writeFileSync(at('m/new'), 'n');
    assert.equal(readFileSync(at('up/new'), 'utf8'), 'n');
  });
  const owner = spawn('unshare', ['--user', 'sleep', '600']);
  try {
    await once(owner, 'spawn');
    const own = readFileSync('/proc/self/uid_map', 'utf8');
    const namespace = `/proc/${owner.pid}`;
    while (readFileSync(`${namespace}/uid_map`, 'utf8') === own) await new Promise(setImmediate);
    for (const map of ['uid_map', 'gid_map'])
      writeFileSync(`${namespace}/${map}`, '0 100000 65536\n');
    await mounted(['-o', `${objects},idmap=${namespace}/ns/user`], () => {
      assert.deepEqual(
        [statSync(at('m/large')).uid, statSync(at('m/large')).gid],
        [101000, 101001],
      );
    });
  } finally {
    owner.kill();
  }
  assert.equal(await main(['-f', '-o', objects, at('a.img'), at('m')]), 0);
  assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(`${at('m')} `));
  for (const [options, image, target] of [
    [objects, 'a.img', 'nowhere'],
    [objects, 'tree/large', 'm'],
    [`basedir=${at('nowhere')}`, 'a.img', 'm'],
    [`${objects},digest=${ID}`, 'a.img', 'm'],
    [`${objects},idmap=${at('a.img')}`, 'a.img', 'm'],
  ] as const) {
    assert.equal(await main(['-o', options, at(image), at(target)]), 1, options);
  }
});
