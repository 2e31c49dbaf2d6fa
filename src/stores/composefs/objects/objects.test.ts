import { deepEqual, equal, ok, rejects, throws } from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ObjectId } from '#base/digest';
import { type ErrorCode, hasCode } from '#base/errors';
import { computeVerity, objectIdBytes, objectPath } from '#formats/fsverity';
import { Dir } from '#host';
import { initRepository, openObjectWriter, openRepository, type Repository } from '../index.ts';

/** Byte i of the data generator that the repository tests of composefs-rs use (core formats section 9.7). */
function generate(sizeBytes: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, i) => (((i % 256) + (seed % 256)) * 17) % 256);
}

async function withRepository(
  work: (repository: Repository, path: string) => void | Promise<void>,
) {
  const top = mkdtempSync(join(tmpdir(), 'onecopy-objects-'));
  try {
    const path = join(top, 'repo');
    const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
    using open = repository;
    await work(open, path);
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

function withCode(code: ErrorCode) {
  return (error: unknown) => hasCode(error, code);
}

function leftovers(path: string): string[] {
  return readdirSync(join(path, 'objects')).filter((name) => name.length !== 2);
}

test('ensureBytes stores an object once, reports this, and names the file by its digest', () =>
  withRepository((repository, path) => {
    const bytes = generate(5000);
    const id = computeVerity(bytes, 'sha256');
    deepEqual(repository.objects.ensureBytes(bytes), { id, method: 'stored' });
    deepEqual(repository.objects.ensureBytes(bytes), { id, method: 'present' });
    const file = join(path, 'objects', objectPath(id));
    deepEqual(new Uint8Array(readFileSync(file)), bytes);
    equal(statSync(file).mode & 0o7777, 0o644 & ~process.umask());
    deepEqual([...repository.objects.list()], [{ id, sizeBytes: 5000 }]);
    deepEqual(leftovers(path), []);
  }));

test('sizeOf gives the size of an object, and has() compares it', () =>
  withRepository((repository) => {
    const { id } = repository.objects.ensureBytes(generate(100));
    equal(repository.objects.sizeOf(id), 100);
    equal(repository.objects.has(id), true);
    equal(repository.objects.has(id, 100), true);
    equal(repository.objects.has(id, 99), false);
    equal(repository.objects.sizeOf(computeVerity(generate(1), 'sha256')), undefined);
  }));

test('reading gives the stored bytes, whole or in pieces', () =>
  withRepository((repository) => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 4 }), (pieces) => {
        const whole = Buffer.concat(pieces);
        using staged = repository.objects.stage();
        for (const piece of pieces) staged.write(piece);
        const { id } = staged.publish();
        equal(id, computeVerity(whole, 'sha256'));
        deepEqual(Buffer.from(repository.objects.read(id, 1 << 20)), whole);
      }),
      { numRuns: 50 },
    );
  }));

test('a staged object that is not published leaves no file', () =>
  withRepository((repository, path) => {
    {
      using staged = repository.objects.stage();
      staged.write(generate(10));
    }
    deepEqual([...repository.objects.list()], []);
    deepEqual(leftovers(path), []);
  }));

test('read refuses an object above the limit before allocation', () =>
  withRepository((repository) => {
    const { id } = repository.objects.ensureBytes(generate(100));
    equal(repository.objects.read(id, 100).length, 100);
    throws(() => repository.objects.read(id, 99), withCode('OBJECT_TOO_LARGE'));
  }));

test('read detects a flipped byte without fs-verity', () =>
  withRepository((repository, path) => {
    const bytes = generate(5000);
    const { id } = repository.objects.ensureBytes(bytes);
    const damaged = Uint8Array.from(bytes);
    damaged[4999] = 1;
    writeFileSync(join(path, 'objects', objectPath(id)), damaged);
    throws(() => repository.objects.read(id, 5000), withCode('OBJECT_DIGEST_MISMATCH'));
    throws(
      () => repository.objects.open(id, { verify: 'content' }),
      withCode('OBJECT_DIGEST_MISMATCH'),
    );
    repository.objects.open(id)[Symbol.dispose]();
  }));

test('opening a missing object fails with OBJECT_NOT_FOUND', () =>
  withRepository((repository) => {
    throws(
      () => repository.objects.open(computeVerity(generate(1), 'sha256')),
      withCode('OBJECT_NOT_FOUND'),
    );
  }));

test('writers replace an object that a power failure truncated', () =>
  withRepository((repository, path) => {
    const bytes = generate(5000);
    const { id } = repository.objects.ensureBytes(bytes);
    const file = join(path, 'objects', objectPath(id));
    truncateSync(file, 0);
    const writer = openObjectWriter(repository.objects.writerSeed());
    equal(writer.publishBytes(id, bytes), 'stored');
    equal(writer.counts.replaced, 1);
    deepEqual(new Uint8Array(readFileSync(file)), bytes);
    deepEqual(leftovers(path), []);
  }));

test('ensureBytes replaces an object with the right size and wrong content', () =>
  withRepository((repository, path) => {
    const bytes = generate(5000);
    const { id } = repository.objects.ensureBytes(bytes);
    const file = join(path, 'objects', objectPath(id));
    writeFileSync(file, generate(5000, 1));
    deepEqual(repository.objects.ensureBytes(bytes), { id, method: 'stored' });
    deepEqual(new Uint8Array(readFileSync(file)), bytes);
  }));

test('a writer opened from plain data counts stored and existing objects', () =>
  withRepository((repository) => {
    const seed = structuredClone(repository.objects.writerSeed());
    const writer = openObjectWriter(seed);
    const bytes = generate(70);
    const id = computeVerity(bytes, 'sha256');
    equal(writer.publishBytes(id, bytes), 'stored');
    equal(writer.publishBytes(id, bytes), 'present');
    using staged = writer.stage();
    staged.write(bytes);
    deepEqual(staged.publish(id), { id, method: 'present' });
    const empty = new Uint8Array(0);
    equal(writer.publishBytes(computeVerity(empty, 'sha256'), empty), 'stored');
    deepEqual(writer.counts, {
      stored: 2,
      storedBytes: 70,
      present: 2,
      presentBytes: 140,
      replaced: 0,
    });
  }));

test('a writer that no longer checks for existing objects still finds whole and truncated ones', () =>
  withRepository((repository, path) => {
    const [whole, cut] = [generate(3000), generate(4000)];
    const wholeId = repository.objects.ensureBytes(whole).id;
    const cutId = repository.objects.ensureBytes(cut).id;
    const cutFile = join(path, 'objects', objectPath(cutId));
    truncateSync(cutFile, 17);
    const writer = openObjectWriter(repository.objects.writerSeed());
    const storeNew = (from: number) => {
      for (let index = from; index < from + 100; index += 1) {
        const bytes = Buffer.from(`new object ${index} ${'x'.repeat(100)}`);
        equal(writer.publishBytes(computeVerity(bytes, 'sha256'), bytes), 'stored');
      }
    };
    storeNew(0);
    const { ino } = statSync(join(path, 'objects', objectPath(wholeId)));
    equal(writer.publishBytes(wholeId, whole), 'present');
    equal(statSync(join(path, 'objects', objectPath(wholeId))).ino, ino);
    storeNew(100);
    equal(writer.publishBytes(cutId, cut), 'stored');
    deepEqual(new Uint8Array(readFileSync(cutFile)), cut);
    equal(writer.counts.replaced, 1);
    equal(writer.counts.present, 1);
    deepEqual(leftovers(path), []);
  }));

test('importFile copies if extents cannot be shared, and finds an existing object', () =>
  withRepository((repository, path) => {
    const source = join(path, '..', 'source');
    writeFileSync(source, generate(200_000));
    using dir = Dir.open(join(path, '..'));
    using file = dir.openFile('source');
    const imported = repository.objects.importFile(file, 200_000);
    ok(imported.method === 'copied' || imported.method === 'reflinked');
    equal(imported.id, computeVerity(generate(200_000), 'sha256'));
    equal(repository.objects.importFile(file, 200_000).method, 'present');
    throws(
      () => repository.objects.importFile(file, 199_999, 'copy'),
      withCode('OBJECT_SIZE_MISMATCH'),
    );
    throws(
      () => repository.objects.importFile(file, 200_001, 'copy'),
      withCode('OBJECT_SIZE_MISMATCH'),
    );
    equal(statSync(source).nlink, 1, 'auto makes no hard link to a file that stays writable');
  }));

test('importFile with reflink shares extents or refuses, and never copies', () =>
  withRepository((repository, path) => {
    writeFileSync(join(path, '..', 'source'), generate(8192));
    using dir = Dir.open(join(path, '..'));
    using file = dir.openFile('source');
    try {
      equal(repository.objects.importFile(file, 8192, 'reflink').method, 'reflinked');
    } catch (error) {
      ok(hasCode(error, 'IMPORT_WOULD_COPY'), String(error));
      deepEqual([...repository.objects.list()], []);
    }
    deepEqual(leftovers(path), []);
  }));

test('importFile makes a hard link if requested', () =>
  withRepository((repository, path) => {
    const source = join(path, '..', 'source');
    writeFileSync(source, generate(3000));
    using dir = Dir.open(join(path, '..'));
    using file = dir.openFile('source');
    const { id, method } = repository.objects.importFile(file, 3000, 'hardlink');
    equal(method, 'hardlinked');
    equal(statSync(join(path, 'objects', objectPath(id))).ino, statSync(source).ino);
    linkSync(source, `${source}.2`);
    equal(repository.objects.importFile(file, 3000, 'hardlink').method, 'present');
  }));

test('a writer refuses a directory that this user cannot write', () =>
  withRepository((repository, path) => {
    const isRoot = process.geteuid?.() === 0;
    chmodSync(path, 0o500);
    try {
      // Permission bits do not apply to root, so root temporarily becomes another user.
      if (isRoot) process.seteuid?.(65534);
      throws(() => repository.objects.ensureBytes(generate(1)), withCode('REPO_READ_ONLY'));
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(path, 0o700);
    }
    equal(repository.objects.ensureBytes(generate(1)).method, 'stored');
  }));

test('an unknown read-only-compatible feature forbids writing', () =>
  withRepository(async (repository, path) => {
    const { id } = repository.objects.ensureBytes(generate(10));
    repository[Symbol.dispose]();
    const meta = JSON.parse(readFileSync(join(path, 'meta.json'), 'utf8'));
    meta.features['read-only-compatible'].push('later');
    writeFileSync(join(path, 'meta.json'), JSON.stringify(meta));
    using readOnly = await openRepository(path);
    equal(readOnly.objects.read(id, 10).length, 10);
    throws(() => readOnly.objects.ensureBytes(generate(11)), withCode('REPO_READ_ONLY'));
    throws(() => readOnly.refs.remove('streams', 'x'), withCode('REPO_READ_ONLY'));
    await rejects(openRepository(path, { requireVerity: true }), withCode('VERITY_NOT_ENABLED'));
  }));

test('a lookup of many objects gives the same answer for each, by directory listing or one by one', async () => {
  await withRepository(({ objects }, path) => {
    const ids = Array.from(
      { length: 600 },
      (_, index) => objects.ensureBytes(generate(100 + index, index)).id,
    );
    const absent = ids.map((id) => [...id].reverse().join('') as ObjectId);
    const [linked, gone, folder] = ids as [ObjectId, ObjectId, ObjectId];
    const at = (id: ObjectId) => join(path, 'objects', objectPath(id));
    renameSync(at(linked), join(path, 'elsewhere'));
    symlinkSync(join(path, 'elsewhere'), at(linked));
    rmSync(at(gone));
    rmSync(at(folder));
    mkdirSync(at(folder));
    const presentOf = (asked: readonly ObjectId[]) => [
      ...objects.findPresent(Uint8Array.from(asked.flatMap((id) => [...objectIdBytes(id)]))),
    ];
    const expectAsEach = (asked: readonly ObjectId[]) =>
      deepEqual(
        presentOf(asked),
        asked.map((id) => (objects.has(id) ? 1 : 0)),
      );
    // All objects, too few to read directories, and more than exist.
    expectAsEach([...ids, ...absent]);
    expectAsEach([linked, gone, folder, ...absent.slice(0, 5)]);
    expectAsEach([...absent, ...absent, ...absent, ...ids]);
    deepEqual(presentOf([linked, gone, folder]), [1, 0, 0]);
    deepEqual(presentOf([]), []);
  });
});
