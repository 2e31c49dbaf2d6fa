import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type ContentDigest, computeContentDigest } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { ProgressEvent } from '#base/flow';
import { initRepository, type Repository } from '#stores/composefs';
import { openImageSource } from '#stores/oci-layout';
import { checkOciImages } from '#work/check';
import { blobStreamName, computeImageId, listOciImages, openOciImage } from '#work/image';
import { codeOf } from '../../../test/support/error-code.ts';
import { describeRepository } from '../../../test/support/repository-tree.ts';
import { testTar } from '../../../test/support/tar-archive.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { noise, type TestLayout, writeTestLayout } from '../../../test/support/test-layout.ts';
import { type PullSource, planPull, pullImage } from './index.ts';

interface Place {
  readonly path: string;
  readonly repository: Repository;
  layout(name: string, layers: Parameters<typeof writeTestLayout>[1]): TestLayout;
}

async function inRepository(work: (place: Place) => Promise<void>): Promise<void> {
  using temp = makeTempDir();
  const path = join(temp.path, 'repo');
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  const layout = (name: string, layers: Parameters<typeof writeTestLayout>[1]) =>
    writeTestLayout(join(temp.path, name), layers);
  await work({ path, repository: open, layout });
}

/** A layer with a folder and some files that are objects. */
function layerTar(files: number, seed: number, sizeBytes = 3000): Buffer {
  return testTar([
    { name: 'usr/', flag: '5' },
    { name: `usr/s${seed}/`, flag: '5' },
    ...Array.from({ length: files }, (_, index) => ({
      name: `usr/s${seed}/f${index}`,
      content: noise(sizeBytes, seed * 1000 + index),
    })),
  ]);
}

/** Enough bytes that threads are used. */
const LARGE = layerTar(40, 7, 30_000);

test('an uncompressed, a gzip and a zstd layer are pulled into one image, and the report counts them', async () => {
  await inRepository(async ({ repository, layout }) => {
    const { reference, manifestDigest } = layout('mixed', [
      { tar: layerTar(3, 1), compression: 'none' },
      { tar: layerTar(4, 2), compression: 'gzip' },
      { tar: layerTar(5, 3), compression: 'zstd' },
    ]);
    const events: ProgressEvent[] = [];
    const report = await pullImage(repository, reference, {
      name: 'a/b:c',
      onProgress: (event) => events.push(event),
    });
    assert.equal(report.manifestDigest, manifestDigest);
    assert.deepEqual(report.objects, { stored: 12, reused: 0, reflinked: 0, copied: 12 });
    assert.equal(report.bytes.stored, 12 * 3000);
    assert.deepEqual(
      report.layers.map(({ status }) => status),
      ['imported', 'imported', 'imported'],
    );
    assert.equal(report.imageId, await computeImageId(repository, 'a/b:c'));
    assert.deepEqual(
      listOciImages(repository).map(({ name }) => name),
      ['a/b:c'],
    );
    for (const { diffId } of report.layers) {
      const own = events.filter((event) => 'id' in event && event.id === diffId);
      assert.equal(own[0]?.type, 'started');
      assert.equal(own.at(-1)?.type, 'done');
    }
    assert.ok(events.some((event) => event.type === 'done' && event.id === 'image'));
  });
});

test('stored layers are not opened, and a layer that the image lists twice is read once', async () => {
  await inRepository(async ({ repository, layout }) => {
    const base = { tar: layerTar(3, 1) };
    const first = layout('first', [base]);
    await pullImage(repository, first.reference, { name: 'first' });
    const second = layout('second', [base, { tar: layerTar(2, 2) }, base]);
    const source = await openImageSource({
      transport: 'oci',
      path: second.reference.split(':')[1] ?? '',
    });
    using open = source;
    const opened: ContentDigest[] = [];
    const watched: PullSource = {
      resolve: (options) => open.resolve(options),
      openBlob: (digest, sizeBytes) => {
        opened.push(digest);
        return open.openBlob(digest, sizeBytes);
      },
    };
    const plan = await planPull(repository, watched);
    assert.deepEqual(
      plan.layers.map(({ status }) => status),
      ['present', 'wanted', 'repeated'],
    );
    assert.equal(plan.wouldBuild, true);
    opened.length = 0;
    const report = await pullImage(repository, watched, { name: 'second' });
    assert.deepEqual(
      report.layers.map(({ status }) => status),
      ['present', 'imported', 'repeated'],
    );
    assert.deepEqual(opened, [report.layers[1]?.digest]);
    assert.equal(report.imageId, await computeImageId(repository, 'second'));
  });
});

test('a layer whose object is missing is imported again', async () => {
  await inRepository(async ({ path, repository, layout }) => {
    const { reference } = layout('image', [{ tar: layerTar(3, 1) }]);
    const { layers } = await pullImage(repository, reference, { name: 'image' });
    const tree = describeRepository(path);
    using stream = repository.streams.open({ id: layers[0]?.streamId as never });
    const lost = stream.stream.objectRefs[1] ?? '';
    const file = join(path, 'objects', lost.slice(0, 2), lost.slice(2));
    rmSync(file);
    const again = await pullImage(repository, reference, { name: 'image' });
    assert.deepEqual(again.objects, { stored: 1, reused: 2, reflinked: 0, copied: 1 });
    assert.deepEqual(describeRepository(path), tree);
  });
});

test('a blob truncated at any byte is refused, and leaves no layer, image or tag', async () => {
  await inRepository(async ({ path, repository, layout }) => {
    for (const compression of ['gzip', 'zstd', 'none'] as const) {
      const { reference, layers } = layout(compression, [{ tar: layerTar(3, 1), compression }]);
      const file = layers[0]?.file ?? '';
      const whole = readFileSync(file);
      for (let length = 0; length < whole.length; length += 397) {
        truncateSync(file, length);
        assert.equal(
          await codeOf(pullImage(repository, reference, { name: 'x' })),
          'BLOB_SIZE_MISMATCH',
        );
        writeFileSync(file, whole);
      }
    }
    assert.deepEqual(
      describeRepository(path).filter((line) => /(streams|images)\//.test(line)),
      [],
    );
  });
});

test('a blob with any bit flipped is refused as damaged', async () => {
  for (const tar of [layerTar(3, 1), LARGE]) {
    await inRepository(async ({ path, repository, layout }) => {
      for (const compression of ['gzip', 'zstd', 'none'] as const) {
        const { reference, layers } = layout(compression, [{ tar, compression }]);
        const file = layers[0]?.file ?? '';
        const whole = readFileSync(file);
        const step = tar === LARGE ? 500_009 : 613;
        for (let at = 0; at < whole.length; at += step) {
          const damaged = Buffer.from(whole);
          damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
          writeFileSync(file, damaged);
          assert.equal(
            await codeOf(pullImage(repository, reference, { name: 'x' })),
            'BLOB_DIGEST_MISMATCH',
            `${compression} ${at}`,
          );
        }
      }
      assert.deepEqual(
        describeRepository(path).filter((line) => /(streams|images)\//.test(line)),
        [],
      );
    });
  }
});

test('a manifest that states a wrong blob size is refused, with and without threads', async () => {
  for (const tar of [layerTar(3, 1), LARGE]) {
    await inRepository(async ({ repository, layout }) => {
      const size = gzipSync(tar, { level: 1 }).length;
      const { reference } = layout('liar', [{ tar, descriptor: { size: size + 1 } }]);
      assert.equal(await codeOf(pullImage(repository, reference)), 'BLOB_SIZE_MISMATCH');
    });
  }
});

test('a layer with a wrong diff id or a malformed tar is refused, and the error names the layer', async () => {
  for (const good of [layerTar(3, 1), LARGE]) {
    await inRepository(async ({ repository, layout }) => {
      const other = gzipSync(layerTar(2, 2));
      const wrong = layout('wrong', [{ tar: good, blob: other }]);
      const malformed = layout('malformed', [
        { tar: Buffer.concat([good.subarray(0, -1024), noise(2048, 5)]) },
      ]);
      const layerDigest = computeContentDigest(other);
      await assert.rejects(pullImage(repository, wrong.reference), (error) => {
        assert.ok(isOnecopyError(error));
        assert.equal(error.code, 'DIFF_ID_MISMATCH');
        assert.equal(error.details['layer'], layerDigest);
        return true;
      });
      assert.match(await codeOf(pullImage(repository, malformed.reference)), /^TAR_/);
    });
  }
});

test("a layer that unpacks to more than the caller's limit is refused", async () => {
  await inRepository(async ({ repository, layout }) => {
    const { reference } = layout('bomb', [
      { tar: testTar([{ name: 'zeros', content: Buffer.alloc(20 << 20) }]) },
    ]);
    const limited = pullImage(repository, reference, { layerBytesMax: 10 << 20 });
    assert.equal(await codeOf(limited), 'LAYER_TOO_LARGE');
    assert.equal(await codeOf(pullImage(repository, reference)), 'accepted');
  });
});

test('a cancelled pull fails promptly with the reason of its signal and sets no tag', async () => {
  const tar = layerTar(300, 4, 60_000);
  await inRepository(async ({ repository, layout }) => {
    const { reference } = layout('large', [{ tar, compression: 'none' }, { tar: LARGE }]);
    const reason = new Error('enough');
    await assert.rejects(
      pullImage(repository, reference, { name: 'x', signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
    for (const afterBytes of [1, 1 << 20, 5 << 20, 12 << 20]) {
      const controller = new AbortController();
      let cancelledAt = 0;
      const pulled = pullImage(repository, reference, {
        name: 'x',
        signal: controller.signal,
        onProgress: (event) => {
          if (event.type !== 'advanced' || event.done < afterBytes || cancelledAt > 0) return;
          cancelledAt = performance.now();
          controller.abort(reason);
        },
      });
      await assert.rejects(pulled, (error) => error === reason);
      assert.ok(performance.now() - cancelledAt < 3000, 'the threads are gone soon');
      assert.deepEqual(repository.tags.list(), []);
    }
    const report = await pullImage(repository, reference, { name: 'x' });
    assert.equal(report.imageId, await computeImageId(repository, 'x'));
  });
});

test('when a later layer fails, completed layers stay stored and are not read again', async () => {
  await inRepository(async ({ repository, layout }) => {
    const small = layerTar(3, 1);
    const { reference, layers } = layout('broken', [{ tar: LARGE }, { tar: small }]);
    const file = layers[1]?.file ?? '';
    const whole = readFileSync(file);
    const damaged = Buffer.from(whole);
    damaged[100] = (damaged[100] ?? 0) ^ 1;
    writeFileSync(file, damaged);
    assert.equal(
      await codeOf(pullImage(repository, reference, { jobs: 1 })),
      'BLOB_DIGEST_MISMATCH',
    );
    writeFileSync(file, whole);
    const report = await pullImage(repository, reference, { name: 'x', jobs: 1 });
    assert.deepEqual(
      report.layers.map(({ status }) => status),
      ['present', 'imported'],
    );
    assert.equal(report.bytes.local, statSync(file).size);
  });
});

test('kept blobs are exported byte for byte, are referenced by the manifest, and can be added later', async () => {
  for (const tar of [layerTar(3, 1), LARGE]) {
    await inRepository(async ({ repository, layout }) => {
      const { reference, layers } = layout('image', [
        { tar },
        { tar: layerTar(2, 2), compression: 'none' },
      ]);
      const plain = await pullImage(repository, reference, { name: 'x' });
      const kept = await pullImage(repository, reference, { name: 'x', keepBlobs: true });
      assert.equal(kept.imageId, plain.imageId);
      assert.notEqual(kept.manifestStreamId, plain.manifestStreamId);
      const image = openOciImage(repository, 'x');
      for (const [index, { digest }] of kept.layers.entries()) {
        const stored = repository.streams.readDocument(blobStreamName(digest), {
          limitBytes: 1 << 30,
        });
        assert.deepEqual(Buffer.from(stored.bytes), readFileSync(layers[index]?.file ?? ''));
        assert.equal(image.blobs.get(digest), stored.id);
      }
      const again = await pullImage(repository, reference, { name: 'x', keepBlobs: true });
      assert.equal(again.bytes.local, 0);
      const without = await pullImage(repository, reference, { name: 'x' });
      assert.equal(without.manifestStreamId, kept.manifestStreamId, 'kept blobs stay');
    });
    await inRepository(async ({ repository, layout }) => {
      const { reference } = layout('image', [{ tar }]);
      const report = await pullImage(repository, reference, { name: 'x', keepBlobs: true });
      assert.equal(openOciImage(repository, 'x').blobs.size, 1);
      assert.equal(report.bytes.local, report.layers[0]?.sizeBytes, 'one pass over the blob');
    });
  }
});

test('a source that streams its blobs is pulled like a local layout', async () => {
  for (const tar of [layerTar(3, 1), LARGE]) {
    await inRepository(async ({ repository, layout }) => {
      const { reference, layers } = layout('image', [{ tar }]);
      using local = await openImageSource({
        transport: 'oci',
        path: reference.split(':')[1] ?? '',
      });
      const stream = (fail: boolean): PullSource => ({
        resolve: (options) => local.resolve(options),
        openBlob: async function* () {
          const whole = readFileSync(layers[0]?.file ?? '');
          for (let at = 0; at < whole.length; at += 1000) {
            if (fail && at > whole.length / 2) throw new Error('connection lost');
            yield whole.subarray(at, at + 1000);
          }
        },
      });
      await assert.rejects(pullImage(repository, stream(true), { name: 'x' }), /connection lost/);
      const report = await pullImage(repository, stream(false), { name: 'x', keepBlobs: true });
      assert.equal(report.bytes.fetched, report.layers[0]?.sizeBytes);
      assert.equal(report.bytes.local, 0);
    });
  }
});

test('a pull that requires fs-verity is refused, before any write, by a repository that does not enforce it', async () => {
  await inRepository(async ({ path, repository, layout }) => {
    const { reference } = layout('image', [{ tar: layerTar(3, 1) }]);
    const before = describeRepository(path);
    assert.equal(
      await codeOf(pullImage(repository, reference, { requireVerity: true })),
      'VERITY_NOT_ENABLED',
    );
    assert.deepEqual(describeRepository(path), before);
  });
});

/** A whiteout that hits its own layer, and a hard link that states a size before a file that is an object. */
const OWN_WHITEOUT = testTar([
  { name: 'usr/', flag: '5' },
  { name: 'usr/a', content: 'a' },
  { name: 'usr/.wh.a' },
]);
const SIZED_LINK = testTar([
  { name: 'usr/', flag: '5' },
  { name: 'usr/a', content: noise(512, 1) },
  { name: 'usr/b', flag: '1', link: 'usr/a', statedSize: 512 },
  { name: 'usr/empty' },
  { name: 'usr/d', content: 'd' },
]);

test('a pull reports where composefs-rs would build another image, and the image keeps its reading', async () => {
  await inRepository(async ({ repository, layout }) => {
    const { reference } = layout('own', [{ tar: OWN_WHITEOUT }, { tar: SIZED_LINK }]);
    const ours = await pullImage(repository, reference, { name: 'img' });
    assert.equal(ours.reading, 'standard');
    assert.deepEqual(
      ours.differences?.named.map(({ difference, path }) => `${difference} ${path}`),
      ['own-whiteout /usr/.wh.a', 'size-without-data /usr/b'],
    );
    assert.equal(openOciImage(repository, 'img').reading, 'standard');
    assert.equal(await computeImageId(repository, 'img'), ours.imageId);
    const again = await pullImage(repository, reference, { name: 'img' });
    assert.deepEqual(
      [again.built, again.reading, again.differences],
      [false, 'standard', undefined],
    );
    assert.equal(again.manifestStreamId, ours.manifestStreamId);
    assert.deepEqual(await checkOci(repository), []);

    const theirs = await pullImage(repository, reference, { name: 'img', reading: 'cfsctl' });
    assert.notEqual(theirs.imageId, ours.imageId);
    // What `cfsctl 0.9.4 oci compute-id` prints for these layers.
    const recorded = '329e35a8a2c29ccbf0372d3c33131396dca1d0f979d4d9ee21cfbb1a5fc0333f';
    assert.equal(theirs.imageId, recorded);
    assert.deepEqual([theirs.built, theirs.reading], [true, 'cfsctl']);
    assert.equal(await computeImageId(repository, 'img'), theirs.imageId);
    assert.equal(await computeImageId(repository, 'img', { reading: 'standard' }), ours.imageId);
    assert.deepEqual(await checkOci(repository), []);
  });
});

test('an image with the same result in both readings reports no difference and has the streams of composefs-rs', async () => {
  await inRepository(async ({ repository, layout }) => {
    const { reference } = layout('plain', [{ tar: layerTar(2, 1) }]);
    const report = await pullImage(repository, reference, { name: 'img' });
    assert.equal(report.reading, 'cfsctl');
    assert.equal(report.differences?.count, 0);
    const again = await pullImage(repository, reference, { name: 'img', reading: 'cfsctl' });
    assert.deepEqual([again.built, again.manifestStreamId], [false, report.manifestStreamId]);
  });
});

test('a layer split in the other reading is imported again, and the older image stays complete', async () => {
  await inRepository(async ({ repository, layout }) => {
    // composefs-rs takes the file's header for the data of the link, and its zeros for the end.
    const tar = testTar([
      { name: 'usr/', flag: '5' },
      { name: 'usr/a', content: 'a' },
      { name: 'usr/b', flag: '1', link: 'usr/a', statedSize: 512 },
      { name: 'usr/zeros', content: Buffer.alloc(2048) },
      { name: 'usr/last', content: 'l' },
    ]);
    const { reference } = layout('split', [{ tar }]);
    const theirs = await pullImage(repository, reference, { name: 'theirs', reading: 'cfsctl' });
    const second = layout('more', [{ tar }, { tar: layerTar(1, 1) }]);
    const ours = await pullImage(repository, second.reference, { name: 'ours' });
    assert.notEqual(ours.layers[0]?.streamId, theirs.layers[0]?.streamId);
    assert.equal(ours.reading, 'standard');
    assert.equal(await computeImageId(repository, 'theirs'), theirs.imageId);
    assert.equal(await computeImageId(repository, 'ours'), ours.imageId);
    assert.deepEqual(await checkOci(repository), []);
  });
});

test('an image with too many entries is refused, and no tag is set', async () => {
  await inRepository(async ({ repository, layout }) => {
    const { reference } = layout('many', [{ tar: layerTar(3, 1) }]);
    const pulling = pullImage(repository, reference, { name: 'img', entriesMax: 4 });
    assert.equal(await codeOf(pulling), 'IMAGE_TOO_MANY_ENTRIES');
    assert.deepEqual(listOciImages(repository), []);
    await pullImage(repository, reference, { name: 'img', entriesMax: 5 });
  });
});

async function checkOci(repository: Repository): Promise<unknown[]> {
  const { findings } = await checkOciImages(repository, { content: true, rebuild: true });
  return findings.map(({ kind, detail }) => [kind, detail]);
}
