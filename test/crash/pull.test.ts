/**
 * Pulls, tags and collections that die at any system call, and disks that lose what was not synced: the old state or the new one, and
 * the next pull makes everything right.
 */
import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { cpSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ObjectId } from '#base/digest';
import { listObjectRefs } from '#formats/erofs';
import { objectPath, parseObjectPath } from '#formats/fsverity';
import { checkOciImages, checkRepository, collectGarbage } from '#work/check';
import { tagImage, untagImage } from '#work/image';
import { pullImage } from '#work/pull-image';
import { openOrCreate, openRepository, type Repository } from '#work/repository';
import { kindOf } from '../../src/stores/composefs/garbage/examine.ts';
import {
  type DiskState,
  loseUnsynced,
  readDiskState,
  runUntil,
  type StateWatcher,
} from '../support/power-loss.ts';
import { makeMemoryDir, type TempDir } from '../support/temp-dir.ts';
import { type TinyFiles, writeTinyImage } from '../support/tiny-images.ts';

const TAG = 'app';
const IMAGE_BYTES_MAX = 1 << 20;

let temp: TempDir;
/** A repository with the first version under the tag. */
let origin: string;
let first: { readonly reference: string; readonly digest: string };
let second: typeof first;
/** Large enough to be pulled by several threads. */
let large: typeof first;

before(async () => {
  temp = makeMemoryDir();
  origin = join(temp.path, 'origin');
  const layout = join(temp.path, 'layout');
  const base = {
    'usr/': '',
    'usr/a': 'a'.repeat(300),
    'usr/b': 'short',
    'usr/c': 'c'.repeat(5000),
  };
  const more = { 'usr/': '', 'usr/d': 'd'.repeat(400), 'usr/a2': base['usr/a'] };
  const changed = {
    'usr/': '',
    'usr/.wh.a': '',
    'usr/e': 'e'.repeat(100),
    'usr/f': 'f'.repeat(9000),
  };
  first = await writeTinyImage(layout, 'first', [{ files: base }, { files: more }]);
  second = await writeTinyImage(layout, 'second', [
    { files: base },
    { files: changed, compression: 'zstd' },
    { files: { 'usr/': '', 'usr/g': 'g'.repeat(70) }, compression: 'none' },
  ]);
  large = await writeTinyImage(layout, 'large', [
    { files: base },
    { files: incompressibleFiles(1) },
    { files: incompressibleFiles(2), compression: 'zstd' },
  ]);
  const created = await openOrCreate({ path: origin }, { algorithm: 'sha256', insecure: true });
  using repository = created.repository;
  await pullImage(repository, first.reference, { name: TAG });
});
after(() => temp[Symbol.dispose]());

function incompressibleFiles(seed: number): TinyFiles {
  const key = Buffer.alloc(16, seed);
  const text = createCipheriv('aes-128-ctr', key, key)
    .update(Buffer.alloc(600_000))
    .toString('hex');
  const files = Array.from({ length: 60 }, (_, index) => [
    `usr/${seed}-${index}`,
    text.slice(index * 20_000, (index + 1) * 20_000),
  ]);
  return { 'usr/': '', ...Object.fromEntries(files) };
}

let copies = 0;

function copyOrigin(from = origin): string {
  copies += 1;
  const path = join(temp.path, `${copies}`);
  cpSync(from, path, { recursive: true, verbatimSymlinks: true });
  return path;
}

async function inRepository<T>(
  path: string,
  work: (repository: Repository) => Promise<T> | T,
): Promise<T> {
  using repository = await openRepository(path);
  return await work(repository);
}

function pullSecond(path: string): Promise<unknown> {
  return pullInto(path, second);
}

function pullInto(path: string, { reference }: { readonly reference: string }): Promise<unknown> {
  return inRepository(path, (open) => pullImage(open, reference, { name: TAG, keepBlobs: true }));
}

function collect(path: string): Promise<unknown> {
  return inRepository(path, (open) => collectGarbage(open));
}

/** The digest behind the tag, once the image behind it has proved to be whole. */
async function wholeImage(repository: Repository): Promise<string | undefined> {
  const report = await checkOciImages(repository, { content: true, rebuild: true });
  deepEqual(report.findings, []);
  return repository.tags.resolve(TAG)?.manifestDigest;
}

async function expectClean(repository: Repository): Promise<void> {
  deepEqual((await checkRepository(repository)).findings, []);
}

/** Everything below a repository with the sizes of files and targets of links, but for empty directories. */
function listing(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => {
      const full = join(entry.parentPath, entry.name);
      const more = entry.isSymbolicLink() ? readlinkSync(full) : statSync(full).size;
      return `${full.slice(path.length)} ${more}`;
    })
    .sort();
}

/** What pulling the second version and collecting leaves when nothing goes wrong. */
async function undisturbed(): Promise<string[]> {
  const path = copyOrigin();
  await pullSecond(path);
  await collect(path);
  return listing(path);
}

test('a pull that dies at any step leaves the old image or the new one, and the next pull completes', async () => {
  const expected = await undisturbed();
  const seen = new Set<string | undefined>();
  let steps = 0;
  for (let died = true; died; steps += 1) {
    const path = copyOrigin();
    died = (await runUntil(path, () => pullSecond(path), { dieAt: steps })).died;
    await inRepository(path, async (open) => {
      await expectClean(open);
      const digest = await wholeImage(open);
      ok(digest === first.digest || digest === second.digest, `step ${steps}`);
      ok(digest === second.digest || !seen.has(second.digest), 'the tag never goes back');
      seen.add(digest);
    });
    await pullSecond(path);
    await inRepository(path, async (open) => {
      await expectClean(open);
      equal(await wholeImage(open), second.digest);
      await collectGarbage(open);
    });
    deepEqual(listing(path), expected, `step ${steps}`);
  }
  ok(steps > 30, `${steps} steps`);
  deepEqual([...seen], [first.digest, second.digest]);
});

for (const how of ['empty', 'gone'] as const) {
  test(`a power cut during a pull, after which unsynced objects are ${how}, leaves the old image or the new one`, async () => {
    const expected = await undisturbed();
    let lost = 0;
    for (let step = 0, died = true; died; step += 1) {
      const path = copyOrigin();
      const end = await runUntil(path, () => pullSecond(path), { dieAt: step });
      died = end.died;
      lost += loseUnsynced(path, end.synced, how);
      await inRepository(path, async (open) => {
        const digest = await wholeImage(open);
        ok(digest === first.digest || digest === second.digest, `step ${step}`);
      });
      await pullSecond(path);
      await inRepository(path, async (open) => {
        equal(await wholeImage(open), second.digest);
        await collectGarbage(open);
        await expectClean(open);
      });
      deepEqual(listing(path), expected, `step ${step}`);
    }
    ok(lost > 10, `${lost} objects were lost`);
  });
}

/** All object paths that each stream needs, itself included. */
async function closuresOf(path: string): Promise<Map<string, ReadonlySet<string>>> {
  return await inRepository(path, (open) => {
    const closures = new Map<string, ReadonlySet<string>>();
    for (const { id } of open.streams.list()) {
      const ids = new Set<ObjectId>();
      if (id !== undefined) addClosure(open, id, ids);
      if (id !== undefined) closures.set(objectPath(id), new Set([...ids].map(objectPath)));
    }
    return closures;
  });
}

function addClosure(repository: Repository, id: ObjectId, into: Set<ObjectId>): void {
  if (into.has(id)) return;
  into.add(id);
  using object = repository.objects.openUnverified(id);
  const kind = kindOf(object);
  if (kind === 'image') {
    for (const ref of listObjectRefs(repository.objects.read(id, IMAGE_BYTES_MAX))) into.add(ref);
  } else if (kind === 'stream') {
    using opened = repository.streams.open({ id });
    for (const ref of opened.stream.objectRefs) into.add(ref);
    for (const ref of opened.stream.streamRefs) addClosure(repository, ref, into);
  }
}

/** Fails when a stream has a name, now or on the disk, but not everything that it needs is safe on the disk. */
function demandOrder(closures: ReadonlyMap<string, ReadonlySet<string>>): {
  readonly watch: StateWatcher;
  readonly checked: Set<string>;
} {
  const checked = new Set<string>();
  const check = (names: DiskState['names'], objects: ReadonlySet<string>, when: string) => {
    for (const [name, object] of names) {
      const needs = closures.get(object);
      ok(needs !== undefined, `${name} leads to an unknown stream`);
      for (const need of needs) ok(objects.has(need), `${name} needs ${need}, ${when}`);
      checked.add(name);
    }
  };
  const watch = (now: DiskState, synced: DiskState) => {
    check(now.names, synced.objects, 'which is not on the disk yet');
    check(synced.names, now.objects, 'which is removed already');
  };
  return { watch, checked };
}

for (const size of ['small', 'large'] as const) {
  test(`each stream of a ${size} image is named after its objects are on disk, and loses its name before they are removed`, async () => {
    const pull = (path: string) => pullInto(path, size === 'small' ? second : large);
    const forever = { dieAt: Number.POSITIVE_INFINITY };
    const done = copyOrigin();
    const closures = await closuresOf(done);
    await pull(done);
    for (const [object, needs] of await closuresOf(done)) closures.set(object, needs);
    const path = copyOrigin();
    const pulled = demandOrder(closures);
    await runUntil(path, () => pull(path), { ...forever, watch: pulled.watch });
    const names = [...readDiskState(path).names.keys()];
    for (const kind of ['oci-layer-', 'oci-blob-', 'oci-config-', 'oci-manifest-']) {
      ok(names.some((name) => name.startsWith(kind)));
    }
    await inRepository(path, (open) => tagImage(open, TAG, 'other'));
    await runUntil(path, () => pull(path), { ...forever, watch: pulled.watch });
    deepEqual([...pulled.checked].sort(), names.sort());
    const before = readDiskState(path).objects.size;
    const collected = demandOrder(closures);
    await runUntil(path, () => collect(path), { ...forever, watch: collected.watch });
    ok(readDiskState(path).objects.size < before, 'there was something to collect');
    deepEqual([...collected.checked].sort(), names.sort());
  });
}

test('the order check detects an object named too early and an object removed too early', () => {
  const id = parseObjectPath(`objects/ab/${'c'.repeat(62)}`, 'sha256');
  const object = objectPath(id);
  const { watch } = demandOrder(new Map([[object, new Set([object])]]));
  const none: DiskState = { objects: new Set(), names: new Map() };
  const stored: DiskState = { objects: new Set([object]), names: new Map() };
  const named: DiskState = { ...stored, names: new Map([['s', object]]) };
  const nameOnly: DiskState = { ...none, names: named.names };
  throws(() => watch(named, none), /s needs .* not on the disk yet/);
  throws(() => watch(none, named), /s needs .* removed already/);
  throws(() => watch(none, nameOnly), /s needs .* removed already/);
  watch(named, stored);
  watch(stored, named);
});

/** Dies at every step of `work` on copies of `from`; each time the tags must be those before or those after. */
async function dieWhileNaming(
  from: string,
  work: (repository: Repository) => void,
  allowed: readonly Readonly<Record<string, string>>[],
): Promise<void> {
  const seen = new Set<number>();
  for (let step = 0, died = true; died; step += 1) {
    const path = copyOrigin(from);
    died = (await runUntil(path, () => inRepository(path, work), { dieAt: step })).died;
    await inRepository(path, async (open) => {
      await expectClean(open);
      await wholeImage(open);
      const tags = open.tags.list().map(({ name, manifestDigest }) => [name, manifestDigest]);
      const which = allowed.findIndex(
        (state) => JSON.stringify(state) === JSON.stringify(Object.fromEntries(tags)),
      );
      ok(which >= 0, `step ${step}: ${JSON.stringify(tags)}`);
      seen.add(which);
      await collectGarbage(open);
      await expectClean(open);
    });
  }
  equal(seen.size, allowed.length);
}

test('a killed tag change leaves the tag absent, on the old image or on the new one', async () => {
  const both = copyOrigin();
  await inRepository(both, (open) => pullImage(open, second.reference, { name: 'new' }));
  const old = { [TAG]: first.digest, new: second.digest };
  for (const [work, result] of [
    [(open: Repository) => void tagImage(open, 'new', TAG), { ...old, [TAG]: second.digest }],
    [(open: Repository) => void tagImage(open, TAG, 'a/b:1'), { 'a/b:1': first.digest, ...old }],
    [(open: Repository) => untagImage(open, TAG), { new: second.digest }],
  ] as const) {
    await dieWhileNaming(both, work, [old, result]);
  }
});
