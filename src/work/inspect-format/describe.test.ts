import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encodeChunkedFooter, locateToc } from '#formats/chunked';
import { encodeImage } from '#formats/erofs';
import { CommitStreamBuilder, encodeCommitStream, streamFromJson } from '#formats/ostree';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import { encodeDumpfile } from '#formats/tree';
import { openCommit, treeOfOpened } from '#work/commits';
import { inflateAt, readChunkedImage } from '../../../test/support/chunked-layers.ts';
import { makeTempRepository, storeFixtureCommit } from '../../../test/support/ostree-stored.ts';
import { readTarFixture, readTarFolder } from '../../../test/support/tar-fixture.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { describeFile, type FileFormat } from './index.ts';

const V1 = 'mini/r-archive:test/v1';

/** Name below `objects/` (or elsewhere) and bytes of one file of each kind, with the format it is. */
function ostreeFiles(): readonly (readonly [FileFormat, string, Uint8Array])[] {
  const archive = readTarFolder('ostree/mini.tar.gz', 'fxmini/r-archive');
  const first = (end: string): [string, Uint8Array] => {
    const [path, member] = [...archive].find(([name]) => name.endsWith(end)) ?? [];
    assert.ok(path && member);
    return [path, member.bytes];
  };
  const member = (path: string): Uint8Array => {
    const found = readTarFixture('ostree/mini.tar.gz').get(`fxmini/${path}`);
    assert.ok(found, path);
    return found.bytes;
  };
  return [
    ['ostree-commit', ...first('.commit')],
    ['ostree-dirtree', ...first('.dirtree')],
    ['ostree-dirmeta', ...first('.dirmeta')],
    ['ostree-filez', ...first('.filez')],
    ['ostree-summary', 'summary', member('r-deltas/summary')],
    ['ostree-summary-index', 'summary.idx', member('r-flatpak/summary.idx')],
    ['ostree-delta', 'x.delta', member('deltafiles/tiny-scratch-inline.delta')],
    ['ostree-delta', 'y.delta', member('deltafiles/v1-v2-inline-signed.delta')],
    ['ostree-metadata', 'summary.sig', member('r-signed/summary.sig')],
  ];
}

function write(folder: string, name: string, bytes: Uint8Array): string {
  const path = `${folder}/${name}`;
  mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

test('every OSTree file is recognised by its name, and without a name by its content', async () => {
  using temp = makeTempDir();
  for (const [format, name, bytes] of ostreeFiles()) {
    const named = await describeFile(write(temp.path, name, bytes));
    assert.deepEqual([named.format, named.findings], [format, []], name);
    const blind = await describeFile(write(temp.path, 'file', bytes));
    assert.deepEqual(blind, named, name);
  }
});

test('an object whose name is not its checksum is reported', async () => {
  using temp = makeTempDir();
  for (const [format, name, bytes] of ostreeFiles()) {
    if (!name.startsWith('objects/')) continue;
    const other = name.replace(/[0-9a-f]{62}/, 'a'.repeat(62));
    const { findings } = await describeFile(write(temp.path, other, bytes));
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['CHECKSUM_MISMATCH'],
      format,
    );
  }
});

test('a truncated file is refused by the parser for its name, and junk is recognised by no parser', async () => {
  using temp = makeTempDir();
  for (const [format, name, bytes] of ostreeFiles()) {
    if (format === 'ostree-filez') continue;
    const path = write(temp.path, name, bytes.subarray(0, bytes.length - 1));
    await assert.rejects(describeFile(path), { kind: 'format' }, format);
  }
  const junk = write(temp.path, 'junk', Buffer.from('what is this?'));
  await assert.rejects(describeFile(junk), { code: 'FORMAT_UNKNOWN' });
  await assert.rejects(describeFile(junk, { format: 'ostree-commit' }), {
    code: 'GVARIANT_NOT_NORMAL',
  });
  await assert.rejects(describeFile(`${temp.path}/none`), { code: 'SYSCALL_FAILED' });
});

test('a described commit stream can be rebuilt to the same bytes', async () => {
  using temp = await makeTempRepository();
  await storeFixtureCommit(temp.repository, V1, 'v1');
  const stored = openCommit(temp.repository, 'v1');
  const path = `${temp.path}/repo/streams/ostree-commit-${stored.checksum}`;
  const { format, findings, document } = await describeFile(path);
  assert.deepEqual([format, findings], ['splitstream', []]);
  const fields = document as { readonly [key: string]: unknown };
  assert.equal(fields['id'], stored.streamId);
  assert.equal(fields['contentTypeName'], 'ostreeCommit');
  const { builder, commit } = streamFromJson(fields['body']);
  assert.deepEqual(builder.encode(commit).content, new Uint8Array(stored.objects.content));
});

test('findings about a commit stream are reported', async () => {
  using temp = await makeTempRepository();
  await storeFixtureCommit(temp.repository, V1, 'v1');
  const stored = openCommit(temp.repository, 'v1');
  const builder = new CommitStreamBuilder();
  builder.addMetadata(stored.checksum, stored.bytes);
  const built = builder.encode(stored.checksum);
  const bytes = await encodeCommitStream(built, { algorithm: 'sha512' });
  const { findings } = await describeFile(write(temp.path, 'stream', bytes));
  assert.ok(findings.some(({ code }) => code === 'OBJECT_MISSING'));
});

test('other splitstreams are described with their parts', async () => {
  using temp = makeTempDir();
  using writer = new SplitstreamWriter({
    algorithm: 'sha512',
    contentType: CONTENT_TYPES.ociConfig,
  });
  writer.writeInline(new Uint8Array(100));
  const { document } = await describeFile(write(temp.path, 's', await writer.finish()));
  const fields = document as { readonly [key: string]: unknown };
  assert.deepEqual(fields['body'], { inlineBytes: 100, externals: 0 });
  assert.deepEqual([fields['algorithm'], fields['contentTypeName']], ['sha512', 'ociConfig']);
});

test('an image and its dumpfile have the same entries', async () => {
  using temp = await makeTempRepository();
  await storeFixtureCommit(temp.repository, V1, 'v1');
  const tree = await treeOfOpened(openCommit(temp.repository, 'v1'));
  const image = await describeFile(
    write(temp.path, 'i', encodeImage(tree, { version: 1, algorithm: 'sha256' })),
  );
  const dump = await describeFile(write(temp.path, 'd', encodeDumpfile(tree)));
  assert.deepEqual([image.format, dump.format], ['erofs', 'dumpfile']);
  const entries = (one: typeof image) =>
    (one.document as { readonly entries: readonly { readonly path: string }[] }).entries;
  assert.deepEqual(entries(image), entries(dump));
  assert.ok(entries(image).length > 60);
});

test('layers with a TOC are recognised by their footer, and described with what a pull would do', async () => {
  using temp = makeTempDir();
  const describe = async (image: string) => {
    const [layer] = readChunkedImage(image);
    assert.ok(layer);
    return await describeFile(write(temp.path, 'blob', layer.blob));
  };
  const fields = (one: Awaited<ReturnType<typeof describe>>) =>
    one.document as { readonly [key: string]: unknown };
  const chunked = await describe('oci/zc-v1');
  assert.deepEqual([chunked.format, chunked.findings], ['chunked-layer', []]);
  assert.equal(fields(chunked)['tarBytes'], 2_252_800);
  const [layer] = readChunkedImage('oci/zc-v1');
  const annotation = 'io.github.containers.zstd-chunked.manifest-checksum';
  assert.equal(fields(chunked)['tocDigest'], layer?.annotations[annotation]);
  const stargz = await describe('oci/es-v1');
  assert.deepEqual(
    [stargz.format, fields(stargz)['kind'], stargz.findings],
    ['chunked-layer', 'estargz', []],
  );
  assert.deepEqual(await findingsOf(temp.path, 'neg/neg-ok'), []);
  assert.deepEqual(await findingsOf(temp.path, 'neg/neg-missing'), ['CHUNKED_TOC_MISMATCH']);
  assert.deepEqual(await findingsOf(temp.path, 'neg/neg-negoff'), ['CHUNKED_TOC_INVALID']);
  assert.deepEqual(await findingsOf(temp.path, 'neg/neg-bomb-toc'), ['json']);
  assert.deepEqual(await findingsOf(temp.path, 'extra/neg/neg-toc-version-2'), ['version']);
  const plain = write(temp.path, 'plain', Buffer.from('no layer'));
  await assert.rejects(describeFile(plain, { format: 'chunked-layer' }), {
    code: 'FORMAT_UNKNOWN',
  });
});

test('a tar-split is read plain and gzipped, as containers-storage stores it', async () => {
  using temp = makeTempDir();
  const [layer] = readChunkedImage('extra/oci/nonutf8');
  const lines = layer && inflateAt(layer, 'tarsplit-position');
  assert.ok(lines);
  const plain = await describeFile(write(temp.path, 'lines', lines));
  const kept = await describeFile(write(temp.path, 'id.tar-split.gz', gzipSync(lines)));
  assert.deepEqual(kept.document, plain.document);
  assert.deepEqual([plain.format, kept.format], ['tar-split', 'tar-split']);
  const { tarBytes, records } = plain.document as {
    tarBytes: number;
    records: readonly { name?: string; crc64?: string }[];
  };
  assert.equal(tarBytes, 10_240);
  assert.equal(records[5]?.crc64, '614afc0000000000');
  const cut = write(temp.path, 'cut.tar-split.gz', gzipSync(lines).subarray(0, 30));
  await assert.rejects(describeFile(cut), { code: 'FORMAT_UNKNOWN' });
});

/** Codes of what is found in a golden layer that had no footer. */
async function findingsOf(folder: string, image: string): Promise<string[]> {
  const [layer] = readChunkedImage(image);
  assert.ok(layer);
  const location = locateToc(new Map(Object.entries(layer.annotations)), layer.blob.length);
  assert.ok(location?.kind === 'zstd-chunked');
  const footer = encodeChunkedFooter(location.toc, location.tarSplit);
  const path = write(folder, 'with-footer', Buffer.concat([layer.blob, footer]));
  const { findings } = await describeFile(path);
  return findings.map(({ code }) => code);
}
