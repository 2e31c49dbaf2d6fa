/** Images of a registry that are looked at by their TOCs, without being pulled. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { computeContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import { type ImageView, openImageView, type ViewEntry } from '#work/browse';
import { previewImage } from '#work/preview';
import { ChunkedPlace } from '../support/chunked-place.ts';
import { RANGE_MODES, type RangeMode } from '../support/range-modes.ts';

const ROOT = '/' as ByteString;

/** All that is known of every file, and the digest of its content. */
function rowsOf(view: ImageView) {
  return [...view.walk(ROOT)].map((entry) => {
    const { objectId: _, isSparse: __, inode: ___, ...row } = entry;
    const xattrs = [...view.xattrs(entry)].map(([key, value]) => [key, `${value}`]);
    const content = entry.kind === 'file' ? computeContentDigest(contentOf(view, entry)) : '';
    return { ...row, xattrs, content };
  });
}

function contentOf(view: ImageView, entry: ViewEntry): Buffer {
  return Buffer.concat([...view.read(entry)].map((piece) => Buffer.from(piece)));
}

async function pulledRows(place: ChunkedPlace, image: string) {
  const repository = await place.repository(`whole-${image.replaceAll('/', '-')}`, true);
  await place.pull(repository, image, { strategy: 'whole' });
  using pulled = await openImageView(repository, image);
  return rowsOf(pulled);
}

async function previewRows(place: ChunkedPlace, image: string) {
  const options = { ...place.registry, strategy: 'partial' as const };
  await using preview = await previewImage(place.reference(image), options);
  const { view, hasObjectIds } = preview;
  const entries = [...view.walk(ROOT)];
  await preview.bring(entries);
  const ids = entries.filter(({ objectId }) => objectId !== undefined);
  return { rows: rowsOf(view), hasObjectIds, idCount: ids.length };
}

for (const image of ['oci/zc-v1', 'extra/oci/holes', 'extra/oci/meta', 'extra/oci/nonutf8']) {
  test(`${image} shown by its TOC at the source equals the pulled image`, async () => {
    await using place = await ChunkedPlace.start(image);
    const expected = await pulledRows(place, image);
    const { rows, idCount, hasObjectIds } = await previewRows(place, image);
    assert.deepEqual(rows, expected);
    assert.deepEqual([idCount, hasObjectIds], [0, false]);
  });
}

test('an image without a TOC is read whole, and its files have object ids', async () => {
  await using place = await ChunkedPlace.start('oci/gz-v1');
  const expected = await pulledRows(place, 'oci/gz-v1');
  const { rows, idCount, hasObjectIds } = await previewRows(place, 'oci/gz-v1');
  assert.deepEqual(rows, expected);
  assert.ok(idCount > 10 && hasObjectIds);
});

test('reading one file of an image fetches only the TOCs and the ranges of that file', async () => {
  await using place = await ChunkedPlace.start('oci/zc-v1');
  const options = { ...place.registry, strategy: 'partial' as const };
  await using preview = await previewImage(place.reference('oci/zc-v1'), options);
  const before = place.requests.length;
  assert.ok(
    place.requests.every(({ range, digest }) => range !== undefined || isConfig(place, digest)),
  );
  const file = preview.view.stat('/data/tool' as ByteString);
  await preview.bring([file]);
  await preview.bring([file]);
  assert.equal(contentOf(preview.view, file).length, file.sizeBytes);
  const asked = place.requests.slice(before);
  assert.equal(asked.length, 1);
  assert.ok(rangeBytes(asked[0]?.range) < file.sizeBytes + 1000, `${asked[0]?.range}`);
  await assert.rejects(
    async () => contentOf(preview.view, preview.view.stat('/data/big.bin' as ByteString)),
    (error) => hasCode(error, 'OBJECT_NOT_FOUND'),
  );
});

test('files are read correctly however a server answers range requests', async () => {
  await using place = await ChunkedPlace.start('oci/zc-v1');
  const expected = await pulledRows(place, 'oci/zc-v1');
  for (const [name, mode] of Object.entries(RANGE_MODES)) {
    place.mode = mode as RangeMode;
    place.requests.length = 0;
    const { rows } = await previewRows(place, 'oci/zc-v1');
    assert.deepEqual(rows, expected, name);
    assert.ok(place.requests.length < 60, `${name}: ${place.requests.length} requests`);
  }
});

function isConfig(place: ChunkedPlace, digest: string): boolean {
  return place.memory.blobs.get(digest)?.[0] === 0x7b;
}

function rangeBytes(range: string | undefined): number {
  const spans = (range ?? 'bytes=0-Infinity').replace('bytes=', '').split(',');
  return spans.reduce((sum, span) => {
    const [first = 0, last = 0] = span.split('-').map(Number);
    return sum + last - first + 1;
  }, 0);
}
