import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import type { DiffId, ObjectId } from '#base/digest';
import { computeVerity, objectPath } from '#formats/fsverity';
import { Dir, readExtents } from '#host';
import { initRepository } from '#stores/composefs';
import { assembleLayer, type LocalIndex, planLayer, tarOf } from '#work/pull-partial';
import { needs } from '../support/capability.ts';
import { readChunkedImage } from '../support/chunked-layers.ts';
import { readFixture } from '../support/chunked-read.ts';
import { FakeBlob } from '../support/fake-blob.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';

const [V1, V2] = ['oci/zc-v1', 'oci/zc-v2'].map(
  (image) => readChunkedImage(image)[0] ?? assert.fail('no layer'),
);
assert.ok(V1 !== undefined && V2 !== undefined);

/** `data/big.bin` of the second version: 1.2 MB of which an edit and an insertion leave the first half in its place. */
const BIG = 'data/big.bin';

for (const [type, least] of [
  ['xfs', 500_000],
  ['btrfs', 500_000],
  ['ext4', 0],
] as const) {
  test(`on ${type} a file that is partly here shares at least ${least} bytes with what is here`, async (t) => {
    if (!needs(t, 'root', type)) return;
    await using filesystem = await mountLoopFilesystem(type);
    const path = join(filesystem.path, 'repo');
    const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
    using open = repository;
    const before = await readFixture(V1);
    const places = new Map<string, { source: ObjectId; offset: number }>();
    for (const { digest, chunks } of before.layer.files) {
      const parts = chunks.map(({ offset, lengthBytes }) =>
        zstdDecompressSync(V1.blob.subarray(offset, offset + lengthBytes)),
      );
      const source = open.objects.ensureBytes(Buffer.concat(parts)).id;
      places.set(digest, { source, offset: 0 });
      for (const chunk of chunks) places.set(chunk.digest, { source, offset: chunk.fileOffset });
    }
    const index: LocalIndex<ObjectId> = {
      file: (digest) => places.get(digest),
      chunk: (digest) => places.get(digest),
    };
    const { layer, location, tarSplit } = await readFixture(V2);
    const cost = { requestMs: 1, bytesPerMs: 100_000, connections: 4 };
    const blobBytes = V2.blob.length;
    const terms = { strategy: 'auto', blobBytes, ability: 'multi', cost } as const;
    const plan = planLayer(layer, index, { requests: 0, bytes: 0 }, terms);
    assert.ok(plan.decision === 'partial');
    using scratch = Dir.open(filesystem.path);
    const assembled = await assembleLayer({
      blob: new FakeBlob(V2.blob),
      plan,
      location,
      tarSplit,
      diffId: V2.diffId as DiffId,
      open: (id) => open.objects.open(id),
      scratch,
      objects: open.objects.writer(),
    });
    assert.ok(assembled.kind === 'parts');
    const tar: Uint8Array[] = [];
    for await (const piece of tarOf(assembled.parts)) tar.push(Uint8Array.from(piece));
    assert.ok(Buffer.concat(tar).equals(zstdDecompressSync(V2.blob)));
    const { sharedBytes } = assembled.bytes;
    assert.ok(least === 0 ? sharedBytes === 0 : sharedBytes >= least, `${sharedBytes} bytes`);
    const big = layer.files.find(({ name }) => name === BIG) ?? assert.fail('no file');
    const content = Buffer.concat(
      big.chunks.map(({ offset, lengthBytes }) =>
        zstdDecompressSync(V2.blob.subarray(offset, offset + lengthBytes)),
      ),
    );
    const id = computeVerity(content, 'sha256');
    const isStored = open.root.lstat(`objects/${objectPath(id)}`) !== undefined;
    assert.equal(isStored, least > 0, 'without shared blocks there is nothing to gain');
    if (!isStored) return;
    assert.ok(Buffer.from(open.objects.read(id, content.length)).equals(content));
    using object = open.objects.open(id);
    const extents = readExtents({ fd: object.fd, label: 'object' });
    const shared = extents
      .filter((extent) => extent.shared)
      .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    assert.ok(shared >= least, `${shared} bytes of extents are shared`);
  });
}
