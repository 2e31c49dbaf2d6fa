import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { type ByteString, byteStringFromText } from '#base/bytes';
import { type ContentDigest, computeContentDigest, type DiffId } from '#base/digest';
import { hasCode } from '#base/errors';
import { atOnce } from '#base/flow';
import { encodeImage } from '#formats/erofs';
import { type LocalReference, MEDIA_TYPES, parsePlatform, parseReference } from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import { Tree, UNSET_STAT } from '#formats/tree';
import { Dir } from '#host';
import { openRepository, type Repository } from '#stores/composefs';
import { openImageSource } from '#stores/oci-layout';
import {
  blobStreamName,
  manifestStreamName,
  openOciImage,
  storeDocument,
  storeManifest,
} from '#work/image';
import { needs } from '../../../test/support/capability.ts';
import { watchDescriptors } from '../../../test/support/fd-leak.ts';
import { readGolden, unpackGoldenRepository } from '../../../test/support/golden-repo.ts';
import { mountLoopFilesystem } from '../../../test/support/loop-fs.ts';
import { makeTempDir, type TempDir } from '../../../test/support/temp-dir.ts';
import { TreeWriter } from './checkout.ts';
import { exportDirectory, exportImage, exportPath } from './index.ts';
import { rebuildLayer } from './layer-bytes.ts';

const GOLDEN = fileURLToPath(new URL('../../../test/golden/cfsctl/oci/', import.meta.url));
const AMD64 = { platform: parsePlatform('linux/amd64') };
const isCode = (code: Parameters<typeof hasCode>[1]) => (error: unknown) => hasCode(error, code);

async function openGolden(temp: TempDir, name: string): Promise<Repository> {
  return await openRepository(unpackGoldenRepository(name, temp.path));
}

function local(text: string): LocalReference {
  const reference = parseReference(text);
  assert.ok('path' in reference && reference.transport !== 'composefs');
  return reference;
}

/** Manifest and layers of a written image, every layer verified and unpacked back to its diff id by size alone. */
async function readBack(reference: LocalReference) {
  using source = await openImageSource(reference);
  const image = source.resolve(AMD64);
  const blobs = image.manifest.layers.map(({ digest }) => source.readBlob(digest));
  return { ...image, blobs };
}

/** Adds the original compressed blobs of a layout to a stored image, as `pull --keep-blobs` does. */
async function keepBlobs(repository: Repository, layout: string): Promise<void> {
  const image = openOciImage(repository, 'img');
  const blobs = new Map<ContentDigest, ReturnType<Repository['objects']['ensureBytes']>['id']>();
  for (const { digest } of image.manifest.layers) {
    const bytes = readFileSync(`${layout}/blobs/${digest.replace(':', '/')}`);
    const { id } = repository.objects.ensureBytes(bytes);
    const content = { id, sizeBytes: bytes.length };
    const stream = await storeDocument(repository, content, CONTENT_TYPES.ociBlob);
    repository.streams.register(blobStreamName(digest), stream);
    blobs.set(digest, stream);
  }
  const layers = image.layers.map(({ diffId, digest, id }) => [diffId ?? digest, id] as const);
  const config = [image.manifest.config.digest, image.configStreamId] as const;
  const id = await storeManifest(repository, image.manifest.bytes, { config, layers, blobs });
  repository.streams.register(manifestStreamName(image.manifestDigest), id);
}

for (const transport of ['oci', 'oci-archive', 'dir'] as const) {
  test(`an image with kept blobs is exported to ${transport}: byte for byte`, async () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    using repository = await openGolden(temp, 'whiteouts/repo-sha256-v1');
    await keepBlobs(repository, `${GOLDEN}whiteouts/layout`);
    const to = local(`${transport}:${temp.path}/out${transport === 'dir' ? '' : ':x'}`);
    const report = await exportImage(repository, 'img', to);
    assert.ok(report.identical);
    assert.ok(report.layers.every(({ method }) => method === 'copied' || method === 'reflinked'));
    const { manifest } = await readBack(to);
    assert.equal(manifest.digest, openOciImage(repository, 'img').manifestDigest);
  });
}

test('an image without kept blobs is exported with a new manifest over plain layers, and a warning', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'whiteouts/repo-sha256-v1');
  const original = openOciImage(repository, 'img');
  const to = local(`oci:${temp.path}/out:x`);
  const report = await exportImage(repository, 'img', to);
  assert.ok(!report.identical);
  assert.equal(report.originalManifestDigest, original.manifestDigest);
  const { manifest, configBytes, blobs } = await readBack(to);
  assert.equal(manifest.digest, report.manifestDigest);
  assert.deepEqual(Buffer.from(configBytes), Buffer.from(original.configBytes));
  for (const [at, layer] of report.layers.entries()) {
    assert.equal(layer.method, 'repacked');
    assert.equal(layer.digest, original.config?.diffIds[at] as string);
    assert.equal(layer.mediaType, MEDIA_TYPES.ociLayer);
    assert.equal(computeContentDigest(blobs[at] as Uint8Array), layer.diffId as string);
  }
});

for (const compression of ['gzip', 'zstd'] as const) {
  test(`layers recompressed with ${compression} hold the same tar, and are the same bytes each time`, async () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    using repository = await openGolden(temp, 'sizes/repo-sha256-v1');
    // This image has an uncompressed layer; the whiteouts image has compressed ones.
    const plain = await exportImage(repository, 'img', local(`oci:${temp.path}/plain`), {
      compression,
    });
    assert.ok(plain.identical && plain.layers.every(({ method }) => method === 'rebuilt'));
    using packed = await openGolden(makeSub(temp), 'whiteouts/repo-sha256-v1');
    const first = await exportImage(packed, 'img', local(`oci:${temp.path}/a`), { compression });
    const second = await exportImage(packed, 'img', local(`oci:${temp.path}/b`), { compression });
    assert.equal(first.manifestDigest, second.manifestDigest);
    const { blobs, manifest } = await readBack(local(`oci:${temp.path}/a`));
    for (const [at, blob] of blobs.entries()) {
      assert.match(manifest.layers[at]?.mediaType ?? '', new RegExp(`${compression}$`));
      const tar = compression === 'gzip' ? gunzipSync(blob) : zstdDecompressSync(blob);
      assert.equal(computeContentDigest(tar), first.layers[at]?.diffId as string);
    }
  });
}

function makeSub(temp: TempDir): TempDir {
  const path = `${temp.path}/sub`;
  mkdirSync(path);
  return { path, dir: temp.dir, [Symbol.dispose]() {} };
}

test('an artifact is exported byte for byte, and its index entry states a platform for older readers', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'artifact-platform/repo-sha256-v1');
  const to = local(`oci:${temp.path}/out:x`);
  const report = await exportImage(repository, 'img', to);
  assert.ok(report.identical);
  assert.ok(report.layers.every(({ diffId }) => diffId === undefined));
  const index = JSON.parse(readFileSync(`${temp.path}/out/index.json`, 'utf8'));
  assert.equal(index.manifests[0].platform.os, 'linux');
});

test('progress of an export has one start and one end per layer, in every compression', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'whiteouts/repo-sha256-v1');
  for (const how of [{}, { compression: 'gzip' }, { forceCompression: 'zstd' }] as const) {
    const begun: string[] = [];
    const ended: string[] = [];
    await exportImage(repository, 'img', local(`oci:${temp.path}/${JSON.stringify(how)}:v1`), {
      ...how,
      onProgress(event) {
        if (event.type === 'started') begun.push(event.id);
        if (event.type === 'done') ended.push(event.id);
      },
    });
    assert.ok(begun.length > 0);
    assert.equal(new Set(begun).size, begun.length, JSON.stringify(how));
    assert.deepEqual(ended.sort(), begun.sort());
  }
});

test('a second export finds every blob present', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'sizes/repo-sha256-v1');
  const to = local(`oci:${temp.path}/out:x`);
  await exportImage(repository, 'img', to);
  const report = await exportImage(repository, 'img', to);
  assert.ok(report.layers.every(({ method }) => method === 'present'));
});

/** Damages the largest object that a layer refers to. */
function damageObject(repository: Repository, path: string): void {
  const [layer] = openOciImage(repository, 'img').layers;
  assert.ok(layer !== undefined);
  using opened = repository.streams.open({ id: layer.id });
  const [id] = opened.stream.objectRefs;
  assert.ok(id !== undefined);
  const file = `${path}/objects/${id.slice(0, 2)}/${id.slice(2)}`;
  const bytes = readFileSync(file);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

test('a damaged object ends the export before the target is visible', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'sizes/repo-sha256-v1');
  damageObject(repository, `${temp.path}/repo`);
  const layout = exportImage(repository, 'img', local(`oci:${temp.path}/out:x`));
  await assert.rejects(layout, isCode('BLOB_DIGEST_MISMATCH'));
  assert.ok(!existsSync(`${temp.path}/out/index.json`));
  const packed = exportImage(repository, 'img', local(`oci-archive:${temp.path}/out.tar`));
  await assert.rejects(packed, isCode('BLOB_DIGEST_MISMATCH'));
  const plain = exportDirectory(repository, 'img', `${temp.path}/tree`);
  await assert.rejects(plain, isCode('OBJECT_DIGEST_MISMATCH'));
  assert.deepEqual(readdirSync(temp.path).sort(), ['out', 'repo']);
});

test('an export is cancelled before its commit', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const reason = new Error('enough');
  const options = { signal: AbortSignal.abort(reason) };
  const is = (error: unknown) => error === reason;
  await assert.rejects(exportImage(repository, 'img', local(`oci:${temp.path}/o`), options), is);
  await assert.rejects(exportDirectory(repository, 'img', `${temp.path}/d`, options), is);
  assert.ok(!existsSync(`${temp.path}/o/index.json`) && !existsSync(`${temp.path}/d`));
  assert.deepEqual(
    readdirSync(temp.path).filter((name) => name.startsWith('.')),
    [],
  );
});

test('an export of an unknown image fails with not found', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const attempt = exportImage(repository, 'nothing', local(`oci:${temp.path}/o`));
  await assert.rejects(attempt, isCode('IMAGE_NOT_FOUND'));
  await assert.rejects(
    exportDirectory(repository, 'no', `${temp.path}/d`),
    isCode('IMAGE_NOT_FOUND'),
  );
});

/** One line of `oci dump`: what the file must be on disk. */
interface Expected {
  readonly path: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly fields: readonly string[];
  readonly hardlink: boolean;
}

function expectedFiles(name: string): Expected[] {
  const steps = readGolden<{ cmd?: string[]; stdout?: string }[]>(`oci/${name}.json`);
  const dump = steps.find(({ cmd }) => cmd?.[4] === 'dump' && cmd.length === 6)?.stdout ?? '';
  const plain = (text: string) =>
    text.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex, letter) =>
      hex === undefined
        ? ({ n: '\n', r: '\r', t: '\t' }[letter as string] ?? letter)
        : String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return dump
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '))
    .map((fields) => ({
      path: plain(fields[0] ?? ''),
      sizeBytes: Number(fields[1]),
      hardlink: fields[2]?.startsWith('@') === true,
      mode: Number.parseInt((fields[2] ?? '').replace('@', ''), 8),
      fields: fields.map(plain),
    }));
}

/** By the upper bits of st_mode, S_IFMT >> 12. */
const TYPES: { readonly [bits: number]: string } = {
  1: 'fifo',
  2: 'character',
  4: 'directory',
  6: 'block',
  8: 'file',
  10: 'symlink',
};

function compareWithDisk(root: Dir, expected: Expected): void {
  const name = expected.path === '/' ? '.' : expected.path.slice(1);
  const found = root.lstat(name);
  assert.ok(found !== undefined, expected.path);
  const [, , , nlink, uid, gid, rdev, mtime, payload, content] = expected.fields;
  if (expected.hardlink) {
    assert.equal(found.ino, root.lstat((payload ?? '').slice(1))?.ino, expected.path);
    return;
  }
  const type = TYPES[expected.mode >>> 12];
  assert.equal(found.type, type, expected.path);
  if (type !== 'symlink') assert.equal(found.mode, expected.mode & 0o7777, expected.path);
  assert.deepEqual([found.uid, found.gid], [Number(uid), Number(gid)], expected.path);
  const [sec, nsec] = (mtime ?? '').split('.');
  assert.deepEqual([String(found.mtimeSec), String(found.mtimeNsec)], [sec, nsec], expected.path);
  if (type === 'character' || type === 'block')
    assert.equal(found.rdev, Number(rdev), expected.path);
  if (type === 'symlink') assert.equal(root.readlink(name), payload);
  if (type !== 'file') return;
  assert.equal(found.sizeBytes, expected.sizeBytes, expected.path);
  assert.equal(found.nlink, Number(nlink), expected.path);
  if (payload === '-' && content !== '-') {
    using file = root.openFile(name);
    const text = readFileSync(`/proc/self/fd/${file.fd}`).toString('latin1');
    assert.equal(text, content, expected.path);
  }
}

for (const name of ['basic', 'types', 'whiteouts', 'sizes', 'bootable']) {
  test(`${name} exported as plain files equals the dump of cfsctl`, async (t) => {
    if (!needs(t, 'root')) return;
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    using repository = await openGolden(temp, `${name}/repo-sha256-v1`);
    const report = await exportDirectory(repository, 'img', `${temp.path}/tree`);
    using root = Dir.open(`${temp.path}/tree`);
    const expected = expectedFiles(`${name}/sha256-v1`);
    for (const line of expected) compareWithDisk(root, line);
    const { files, directories, symlinks, hardlinks, specials } = report;
    assert.equal(files + directories + symlinks + hardlinks + specials, expected.length);
    assert.equal(report.leftOutCount, 0, JSON.stringify(report.leftOut));
    assert.deepEqual(readdirSync(temp.path).sort(), ['repo', 'tree']);
  });
}

test('an export can leave out owners', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'types/repo-sha256-v1');
  await exportDirectory(repository, 'img', `${temp.path}/tree`, { owners: false });
  using root = Dir.open(`${temp.path}/tree`);
  for (const { path, fields, hardlink } of expectedFiles('types/sha256-v1')) {
    if (hardlink || fields[4] === '0') continue;
    assert.equal(root.lstat(path.slice(1))?.uid, process.geteuid?.());
  }
});

test('an export fills an empty directory, and refuses any other without changing it', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const path = `${temp.path}/tree`;
  mkdirSync(path);
  // Leftovers of a killed run are removed.
  mkdirSync(`${temp.path}/.onecopy-abandoned123`);
  await exportDirectory(repository, 'img', `${path}/`);
  assert.ok(readdirSync(path).length > 0);
  const before = readdirSync(path);
  const refused = [path, `${temp.path}/file`, `${temp.path}/.`, '/'];
  writeFileSync(`${temp.path}/file`, 'x');
  for (const target of refused) {
    await assert.rejects(exportDirectory(repository, 'img', target), isCode('TARGET_NOT_EMPTY'));
  }
  assert.deepEqual(readdirSync(path), before);
  assert.deepEqual(readdirSync(temp.path).sort(), ['file', 'repo', 'tree']);
});

test('an export shares all extents on a filesystem with reflinks', async (t) => {
  if (!needs(t, 'root', 'xfs')) return;
  await using filesystem = await mountLoopFilesystem('xfs');
  using temp = makeTempDir(filesystem.path);
  using repository = await openGolden(temp, 'sizes/repo-sha256-v1');
  const report = await exportDirectory(repository, 'img', `${temp.path}/tree`);
  assert.equal(report.copiedFiles, 0);
  assert.ok(report.reflinkedFiles > 5);
  await keepBlobs(repository, `${GOLDEN}sizes/layout`);
  const layout = await exportImage(repository, 'img', local(`oci:${temp.path}/out`));
  assert.ok(layout.layers.every(({ method }) => method === 'reflinked'));
});

test('a rebuilt layer with another diff id is refused', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const [layer] = openOciImage(repository, 'img').layers;
  assert.ok(layer !== undefined);
  const wrong = `sha256:${'0'.repeat(64)}` as DiffId;
  const attempt = () => [...rebuildLayer(repository, layer.id, wrong)];
  assert.throws(attempt, isCode('BLOB_DIGEST_MISMATCH'));
});

test('cp copies one file, link or directory from an image', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const copy = (from: string, to: string) =>
    exportPath(repository, 'img', { from: byteStringFromText(from), to: `${temp.path}/${to}` });
  const file = await copy('/hello.txt', 'copied.txt');
  assert.deepEqual([file.files, file.directories, file.path], [1, 0, `${temp.path}/copied.txt`]);
  assert.equal(readFileSync(`${temp.path}/copied.txt`, 'utf8'), 'hello from test layer\n');
  mkdirSync(`${temp.path}/into`);
  await copy('/hello-link.txt', 'into');
  await copy('usr', 'into/');
  assert.deepEqual(readdirSync(`${temp.path}/into`).sort(), ['hello-link.txt', 'usr']);
  const all = await copy('/', 'all');
  assert.equal(all.hardlinks, 1);
  await assert.rejects(copy('/nothing', 'x'), isCode('TREE_PATH_NOT_FOUND'));
  await assert.rejects(copy('/hello.txt', 'copied.txt'), isCode('TARGET_NOT_EMPTY'));
  await assert.rejects(copy('/hello.txt', 'missing/x'), isCode('SYSCALL_FAILED'));
  assert.deepEqual(readdirSync(temp.path).sort(), ['all', 'copied.txt', 'into', 'repo']);
});

test('cp does not replace a directory that is not empty', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const from = byteStringFromText('/usr');
  mkdirSync(`${temp.path}/into/usr/precious`, { recursive: true });
  const attempt = exportPath(repository, 'img', { from, to: `${temp.path}/into` });
  await assert.rejects(attempt, isCode('TARGET_NOT_EMPTY'));
  assert.deepEqual(readdirSync(`${temp.path}/into/usr`), ['precious']);
});

test('cp copies a file whose name is not UTF-8 if the target gives a name', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const name = '\xff' as ByteString;
  const tree = new Tree({ ...UNSET_STAT, mode: 0o755 });
  const leaf = {
    kind: 'inline',
    stat: { ...UNSET_STAT, mode: 0o644 },
    content: Buffer.from('x'),
  } as const;
  tree.root.entries.set(name, tree.addLeaf(leaf));
  const image = repository.images.publish(encodeImage(tree, { version: 1, algorithm: 'sha256' }));
  const copy = (to: string) => exportPath(repository, image, { from: name, to });
  await assert.rejects(copy(temp.path), isCode('TREE_PATH_INVALID'));
  await copy(`${temp.path}/named`);
  assert.equal(readFileSync(`${temp.path}/named`, 'utf8'), 'x');
});

for (const name of ['../out', 'a/b', '..', '.', '', 'nul\0']) {
  test(`an export of a tree with the name ${JSON.stringify(name)} writes nothing outside its directory`, async () => {
    using temp = makeTempDir();
    using repository = await openGolden(temp, 'basic/repo-sha256-v1');
    const tree = new Tree({ ...UNSET_STAT, mode: 0o755 });
    const leaf = { kind: 'inline', stat: UNSET_STAT, content: Buffer.from('x') } as const;
    tree.root.entries.set(name as ByteString, tree.addLeaf(leaf));
    mkdirSync(`${temp.path}/root`);
    using root = Dir.open(`${temp.path}/root`);
    const writer = new TreeWriter(repository.objects, tree, { owners: false, verify: 'content' });
    assert.throws(() => atOnce(writer.write(root)), isCode('TREE_PATH_INVALID'));
    assert.deepEqual(readdirSync(temp.path).sort(), ['repo', 'root']);
    assert.deepEqual(readdirSync(`${temp.path}/root`), []);
  });
}
