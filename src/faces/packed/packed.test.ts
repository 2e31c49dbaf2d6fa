import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { CodeCache, type Kept } from './code-cache.ts';
import { Loader } from './loader.ts';

const KEPT: readonly Kept[] = [
  { chunk: 'a.js', stamp: '1-2', code: Buffer.from('code of a') },
  { chunk: 'b.js', stamp: '3-4', code: Buffer.alloc(0) },
  { chunk: 'c.js', stamp: '5-6', code: Buffer.from('sixteen bytes ok') },
];

/** Writes a chunk as the build does. */
function writeChunk(folder: string, name: string, code: string, more = ' '.repeat(4096)): void {
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${code}${more}\n})`;
  writeFileSync(join(folder, name), wrapped);
}

function noForeign(id: string): unknown {
  throw new Error(`nobody knows ${id}`);
}

test('a cache gives back what was written, by chunk and stamp, and says what a longer run misses', () => {
  using scratch = makeTempDir();
  const path = join(scratch.path, 'new/folder/cache');
  CodeCache.open(path).write(100, KEPT);
  const cache = CodeCache.open(path);
  for (const { chunk, stamp, code } of KEPT) {
    assert.deepEqual(Buffer.from(cache.find(chunk, stamp) ?? 'none'), code);
  }
  assert.equal(cache.find('a.js', '1-3'), undefined);
  assert.equal(cache.find('d.js', '1-2'), undefined);
  assert.equal(cache.isShortOf(200), false);
  assert.equal(cache.isShortOf(201), true);
  assert.equal(CodeCache.open(join(scratch.path, 'none')).isShortOf(1), true);
  assert.deepEqual(readdirSync(join(scratch.path, 'new/folder')), ['cache']);
});

test('a cache with any byte changed or missing is empty', () => {
  using scratch = makeTempDir();
  const path = join(scratch.path, 'cache');
  CodeCache.open(path).write(100, KEPT);
  const whole = readFileSync(path);
  const isEmpty = (bytes: Uint8Array) => {
    writeFileSync(path, bytes);
    const cache = CodeCache.open(path);
    return KEPT.every(({ chunk, stamp }) => cache.find(chunk, stamp) === undefined);
  };
  assert.equal(isEmpty(whole), false);
  for (let at = 0; at < whole.length; at += 1) {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    assert.ok(isEmpty(flipped), `flipped at ${at}`);
    assert.ok(isEmpty(whole.subarray(0, at)), `cut at ${at}`);
  }
  assert.ok(isEmpty(Buffer.concat([whole, Buffer.alloc(8)])), 'longer');
});

test('a cache that others can write, or that is no regular file, is not read', () => {
  using scratch = makeTempDir();
  const path = join(scratch.path, 'cache');
  const isRead = (at: string) => CodeCache.open(at).find('a.js', '1-2') !== undefined;
  CodeCache.open(path).write(100, KEPT);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  for (const mode of [0o620, 0o602]) {
    chmodSync(path, mode);
    assert.equal(isRead(path), false);
  }
  chmodSync(path, 0o600);
  assert.equal(isRead(path), true);
  symlinkSync(path, join(scratch.path, 'link'));
  assert.equal(isRead(join(scratch.path, 'link')), false);
  assert.equal(isRead(scratch.path), false);
  if (process.geteuid?.() !== 0) return;
  chownSync(path, 1, 1);
  assert.equal(isRead(path), false);
});

test('writing a cache removes those of a month ago, and where nothing can be written nothing happens', () => {
  using scratch = makeTempDir();
  const old = join(scratch.path, 'old');
  const young = join(scratch.path, 'young');
  const now = Date.now() / 1000;
  for (const [path, days] of [
    [old, 31],
    [young, 29],
  ] as const) {
    writeFileSync(path, '');
    utimesSync(path, now - days * 86_400, now - days * 86_400);
  }
  CodeCache.open(join(scratch.path, 'cache')).write(100, KEPT);
  assert.deepEqual(readdirSync(scratch.path).sort(), ['cache', 'young']);
  CodeCache.open(join(young, 'cache')).write(100, KEPT);
  mkdirSync(join(scratch.path, 'taken'));
  CodeCache.open(join(scratch.path, 'taken')).write(100, KEPT);
  assert.deepEqual(readdirSync(scratch.path).sort(), ['cache', 'taken', 'young']);
});

test('chunks of one import share a cache, which has the functions that were called later', () => {
  using scratch = makeTempDir();
  const { path } = scratch;
  const caches = join(path, 'caches-');
  writeChunk(
    path,
    'verb.js',
    "exports.say = require('./shared.js').say; exports.own = __filename;",
  );
  writeChunk(path, 'shared.js', 'exports.say = () => later(); function later() { return 1 + 1; }');
  writeChunk(path, 'other.js', "exports.say = require('./shared.js').say;");
  writeChunk(path, 'short.js', 'exports.say = () => 3;', '');
  const load = () => new Loader(path, caches, noForeign);
  const says = (loader: Loader, chunk: string) => {
    const { say } = loader.require(`./${chunk}`) as { say: () => number };
    return say();
  };
  const first = load();
  assert.equal(says(first, 'verb.js'), 2);
  assert.equal(says(first, 'other.js'), 2);
  assert.equal(says(first, 'short.js'), 3);
  first.keep();
  assert.deepEqual(
    readdirSync(path).filter((name) => name.startsWith('caches-')),
    ['caches-other.js', 'caches-verb.js'],
  );
  assert.ok(readFileSync(`${caches}verb.js`, 'latin1').includes('"chunk":"shared.js"'));
  assert.ok(!readFileSync(`${caches}other.js`, 'latin1').includes('"chunk":"shared.js"'));
  const { mtimeMs } = statSync(`${caches}verb.js`);
  const second = load();
  assert.equal(says(second, 'verb.js'), 2);
  assert.equal((second.require('./verb.js') as { own: string }).own, join(path, 'verb.js'));
  second.keep();
  const isKept = statSync(`${caches}verb.js`).mtimeMs === mtimeMs;
  // Only when this machine was so slow that the second run counts as a longer one.
  assert.ok(isKept || performance.now() > 1000);
  writeChunk(path, 'shared.js', 'exports.say = () => later(); function later() { return 1 + 2; }');
  assert.equal(says(load(), 'verb.js'), 3);
});

test('a chunk that fails is evaluated again, circles end, and whatever is no chunk is asked for elsewhere', () => {
  using scratch = makeTempDir();
  const { path } = scratch;
  writeChunk(
    path,
    'failing.js',
    'globalThis.tries = (globalThis.tries ?? 0) + 1; throw new Error("no");',
  );
  writeChunk(path, 'one.js', "exports.name = 'one'; exports.other = require('./two.js').name;");
  writeChunk(path, 'two.js', "exports.name = require('./one.js').name + ' two';");
  writeChunk(path, 'foreign.js', "exports.found = require('elsewhere');");
  const loader = new Loader(path, undefined, (id) => `<${id}>`);
  for (const tries of [1, 2]) {
    assert.throws(() => loader.require('./failing.js'), /no/);
    assert.equal((globalThis as { tries?: number }).tries, tries);
  }
  assert.deepEqual(
    { ...(loader.require('./one.js') as object) },
    { name: 'one', other: 'one two' },
  );
  assert.deepEqual({ ...(loader.require('./foreign.js') as object) }, { found: '<elsewhere>' });
  assert.throws(() => loader.require('./missing.js'), { code: 'ENOENT' });
  loader.keep();
  assert.deepEqual(
    readdirSync(path).filter((name) => !name.endsWith('.js')),
    [],
  );
});
