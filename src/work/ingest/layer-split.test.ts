import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ObjectId } from '#base/digest';
import { computeVerity, objectPath } from '#formats/fsverity';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import { initRepository, type Repository } from '#stores/composefs';
import { testTar } from '../../../test/support/tar-archive.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { noise } from '../../../test/support/test-layout.ts';
import { BatchPool } from './batches/batch-pool.ts';
import { LayerSplit } from './layer-split.ts';
import { type EntryListener, LayerStream } from './layer-stream.ts';

const ALGORITHM = 'sha256';

async function withRepository<T>(
  work: (repository: Repository, path: string) => Promise<T>,
): Promise<T> {
  using temp = makeTempDir();
  const path = join(temp.path, 'repo');
  const { repository } = await initRepository(path, { algorithm: ALGORITHM, insecure: true });
  using open = repository;
  return await work(open, path);
}

/** Sizes around every limit for a file: inline, block, step, batch and segment. */
const sizes = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 4, arbitrary: fc.integer({ min: 200, max: 20_000 }) },
  { weight: 2, arbitrary: fc.constantFrom(4095, 4096, 4097, 262_144, 524_288) },
  { weight: 1, arbitrary: fc.constantFrom(1_048_575, 1_048_576, 1_048_577, 2_097_152, 3_000_001) },
);

interface Member {
  readonly name: string;
  readonly content: Buffer;
}

function membersOf(lengths: readonly number[], seed: number): Member[] {
  const pool = noise(64 << 10, seed);
  return lengths.map((length, index) => {
    const content = Buffer.alloc(length);
    for (let at = 0; at < length; at += pool.length) pool.copy(content, at);
    if (length > 0) content.writeUInt8(index % 251, length >> 1);
    return { name: `f${index}`, content };
  });
}

/** The stream of a sequential, single-threaded implementation. */
async function referenceStream(tar: Buffer, members: readonly Member[]): Promise<Uint8Array> {
  const contentType = CONTENT_TYPES.ociLayer;
  using writer = new SplitstreamWriter({ algorithm: ALGORITHM, contentType });
  let at = 0;
  for (const { content } of members) {
    writer.writeInline(tar.subarray(at, at + 512));
    const stored = 512 + Math.ceil(content.length / 512) * 512;
    if (content.length > 64) {
      writer.writeExternal(computeVerity(content, ALGORITHM), content.length);
      writer.writeInline(tar.subarray(at + 512 + content.length, at + stored));
    } else {
      writer.writeInline(tar.subarray(at + 512, at + stored));
    }
    at += stored;
  }
  writer.writeInline(tar.subarray(at));
  return await writer.finish();
}

for (const workers of [0, 1, 2]) {
  test(`a layer split with ${workers} writers gives the stream and objects of one thread`, async () => {
    await withRepository(async (repository, path) => {
      const seed = repository.objects.writerSeed();
      await using pool = new BatchPool(seed, { workers, slots: 10 });
      const layers = fc.array(sizes, { minLength: 1, maxLength: 60 });
      await fc.assert(
        fc.asyncProperty(
          layers,
          fc.integer({ min: 1, max: 2_000_000 }),
          fc.nat(9),
          async (lengths, cut, salt) => {
            const members = membersOf(lengths, salt);
            const tar = testTar(members);
            const seen: string[] = [];
            const onEntry: EntryListener = (entry, content) => {
              const id =
                content.kind === 'inline' ? computeVerity(content.bytes, ALGORITHM) : content.id;
              seen.push(`${entry.path} ${id}`);
            };
            using stream = new LayerStream({ pool, repository, onEntry });
            const { objects } = repository;
            await splitTar(new LayerSplit(stream, { pool, objects }), tar, cut);
            assert.deepEqual(
              readObject(path, await stream.publish()),
              Buffer.from(await referenceStream(tar, members)),
            );
            assert.deepEqual(
              seen,
              members.map(({ name, content }) => `/${name} ${computeVerity(content, ALGORITHM)}`),
            );
            for (const { content } of members) {
              if (content.length > 64)
                assert.deepEqual(readObject(path, computeVerity(content, ALGORITHM)), content);
            }
          },
        ),
        { numRuns: 12 },
      );
    });
  });
}

async function splitTar(split: LayerSplit, tar: Buffer, cutBytes: number): Promise<void> {
  for (let at = 0; at < tar.length; at += cutBytes) {
    await split.push(tar.subarray(at, at + cutBytes));
  }
  split.end();
}

function readObject(path: string, id: ObjectId): Buffer {
  return readFileSync(join(path, 'objects', objectPath(id)));
}

test('splitting pauses when inline bytes pile up behind a file, and keeps the following file intact', async () => {
  await withRepository(async (repository, path) => {
    const { objects } = repository;
    await using pool = new BatchPool(objects.writerSeed(), { workers: 1, slots: 10 });
    // More than 8 MiB of headers after a small file: splitting pauses, but not in the step in which the next file begins.
    const lengths = [100, ...Array<number>(16_500).fill(0), 900_000, 70];
    const members = membersOf(lengths, 1);
    const tar = testTar(members);
    using stream = new LayerStream({ pool, repository, onEntry: () => {} });
    await splitTar(new LayerSplit(stream, { pool, objects }), tar, 100_000);
    assert.deepEqual(
      readObject(path, await stream.publish()),
      Buffer.from(await referenceStream(tar, members)),
    );
    assert.equal(stream.counts.storedObjects, 3);
    assert.equal(stream.counts.storedBytes, 900_170);
  });
});

test("a failing writer fails the split with the writer's error, also while the split waits", async () => {
  await withRepository(async (repository) => {
    const seed = { ...repository.objects.writerSeed(), objectsFd: 1_000_000 };
    for (const workers of [0, 1]) {
      await using pool = new BatchPool(seed, { workers, slots: 10 });
      using stream = new LayerStream({ pool, repository, onEntry: () => {} });
      const tar = testTar(membersOf(Array<number>(400).fill(100_000), 3));
      const { objects } = repository;
      await assert.rejects(
        async () => {
          await splitTar(new LayerSplit(stream, { pool, objects }), tar, 1 << 20);
          await stream.publish();
        },
        { code: 'SYSCALL_FAILED' },
      );
    }
  });
});

test('a stream of parts that reuse stored objects equals the stream of the tar', async () => {
  await withRepository(async (repository, path) => {
    const { objects } = repository;
    await using pool = new BatchPool(objects.writerSeed(), { workers: 1, slots: 10 });
    const members = membersOf([100, 3, 20_000, 0, 1_500_000], 5);
    const tar = testTar(members);
    using stream = new LayerStream({ pool, repository, onEntry: () => {} });
    let at = 0;
    for (const { content } of members) {
      const end = at + 512 + content.length;
      if (content.length > 64) {
        stream.inline(tar.subarray(at, at + 512));
        const { id } = objects.ensureBytes(content);
        stream.file({ id, sizeBytes: content.length, wasPresent: true, wasReflinked: false });
      } else {
        stream.inline(tar.subarray(at, end));
      }
      at = 512 * Math.ceil(end / 512);
      stream.inline(tar.subarray(end, at));
      assert.ok(stream.isIdle, 'what is known waits for nothing');
    }
    stream.inline(tar.subarray(at));
    assert.deepEqual(
      readObject(path, await stream.publish()),
      Buffer.from(await referenceStream(tar, members)),
    );
    const { reusedObjects, reusedBytes, storedObjects } = stream.counts;
    assert.deepEqual([reusedObjects, reusedBytes, storedObjects], [3, 1_520_100, 0]);
  });
});
