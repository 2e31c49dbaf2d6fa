/**
 * Every layer that the real cfsctl stored, rebuilt from the layout it was pulled from: the splitstream object byte for byte, the id
 * that `oci layer --json` printed, the lines of `oci layer --dumpfile`, and the tar again out of the stored stream.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { ObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import { computeVerity, objectPath, type VerityAlgorithm, VerityHasher } from '#formats/fsverity';
import {
  CONTENT_TYPES,
  catSplitstream,
  openSplitstream,
  SplitstreamWriter,
} from '#formats/splitstream';
import { readTarEntries, type StoredTarEntry, type TarSink, TarSplitter } from '#formats/tar';

const CASES = new URL('../golden/cfsctl/oci/', import.meta.url);

interface Step {
  readonly cmd?: string[];
  readonly rc?: number;
  readonly stdout?: string;
  readonly stdout_sha256?: string;
}

interface Layer {
  readonly diffId: string;
  readonly tar: Buffer;
}

function read(path: string): Buffer {
  return readFileSync(new URL(path, CASES));
}

/** The tar layers of all images in a layout, decompressed. */
function layersOf(name: string): Layer[] {
  const blobs = `${name}/layout/blobs/sha256/`;
  const layers = new Map<string, Buffer>();
  for (const file of readdirSync(new URL(blobs, CASES))) {
    const bytes = read(blobs + file);
    if (bytes[0] !== 0x7b) continue;
    const manifest = JSON.parse(bytes.toString());
    for (const { mediaType, digest } of manifest.layers ?? []) {
      if (!/\.(?:tar|gzip|zstd)$|\+(?:gzip|zstd)$/.test(mediaType)) continue;
      const blob = read(blobs + digest.slice(7));
      const tar = /gzip$/.test(mediaType)
        ? gunzipSync(blob)
        : /zstd$/.test(mediaType)
          ? zstdDecompressSync(blob)
          : blob;
      layers.set(`sha256:${createHash('sha256').update(tar).digest('hex')}`, tar);
    }
  }
  return [...layers].map(([diffId, tar]) => ({ diffId, tar }));
}

/** Splits a tar into a splitstream as a pull does, in pieces of `pieceBytes`. */
function split(tar: Buffer, algorithm: VerityAlgorithm, pieceBytes = 10_007) {
  const writer = new SplitstreamWriter({ algorithm, contentType: CONTENT_TYPES.ociLayer });
  const objects = new Map<ObjectId, Buffer>();
  const hasher = new VerityHasher(algorithm);
  let pieces: Buffer[] = [];
  let inFirstPass = 0;
  const sink: TarSink = {
    inline: (bytes) => writer.writeInline(bytes),
    externalStart: () => {
      pieces = [];
    },
    externalData: (bytes) => {
      hasher.update(bytes);
      pieces.push(Buffer.from(bytes));
    },
    externalEnd: () => {
      const content = Buffer.concat(pieces);
      const id = hasher.finish();
      objects.set(id, content);
      writer.writeExternal(id, content.length);
    },
    entry: () => {
      inFirstPass += 1;
    },
  };
  const splitter = new TarSplitter();
  for (let at = 0; at < tar.length; at += pieceBytes) {
    splitter.push(tar.subarray(at, at + pieceBytes), sink);
  }
  splitter.end();
  return { stream: writer.finishSync(), objects, inFirstPass };
}

/** The files of a repository archive, read with our own tar reader. */
function repositoryFiles(archive: string): {
  files: Map<string, Buffer>;
  links: Map<string, string>;
} {
  const files = new Map<string, Buffer>();
  const links = new Map<string, string>();
  let pieces: Buffer[] = [];
  const sink: TarSink = {
    inline: () => undefined,
    externalStart: () => {
      pieces = [];
    },
    externalData: (bytes) => void pieces.push(Buffer.from(bytes)),
    externalEnd: () => undefined,
    entry: (entry, content) => {
      const bytes = content.kind === 'inline' ? Buffer.from(content.bytes) : Buffer.concat(pieces);
      if (entry.type === 'file') files.set(entry.path, bytes);
      if (entry.type === 'symlink') links.set(entry.path, entry.linkTarget);
    },
  };
  const splitter = new TarSplitter();
  splitter.push(zstdDecompressSync(read(archive)), sink);
  splitter.end();
  return { files, links };
}

function stepsOf(name: string, transcript: string): Step[] {
  return JSON.parse(read(`${name}/${transcript}`).toString());
}

/** Text as a dumpfile escapes it; an unescaped lone `-` would mean "nothing". */
function escapeText(text: string, isXattr = false): string {
  const escaped = text.replace(/[^!-~]|\\/g, (char) => {
    const short = { '\n': '\\n', '\t': '\\t', '\r': '\\r', '\\': '\\\\' }[char];
    return short ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return isXattr ? escaped.replaceAll('=', '\\x3d') : escaped;
}

function dumpLine({ entry, content }: StoredTarEntry): string {
  if (entry.type === 'hardlink') {
    return `${escapeText(entry.path)} 0 @120000 - - - - 0.0 ${escapeText(entry.linkTarget)} - -`;
  }
  const formats = { file: 0o100000, directory: 0o40000, symlink: 0o120000, chr: 0o20000 };
  const others = { blk: 0o60000, fifo: 0o10000, unknown: 0 };
  const mode = ({ ...formats, ...others }[entry.type] + entry.mode).toString(8);
  const size = entry.type === 'symlink' ? entry.linkTarget.length : entry.sizeBytes;
  const { rdevMajor: major, rdevMinor: minor } = entry;
  const rdev = (major % 4096) * 256 + (minor % 256) + Math.floor(minor / 256) * 2 ** 20;
  const xattrs = [...entry.xattrs]
    .map(([key, value]) => ` ${escapeText(key, true)}=${xattrValue(value)}`)
    .sort()
    .join('');
  const text = content.kind === 'inline' ? Buffer.from(content.bytes).toString('latin1') : '';
  const payload =
    content.kind === 'external'
      ? objectPath(content.id)
      : entry.type === 'symlink'
        ? escapeText(entry.linkTarget)
        : '-';
  const inline = text === '' ? '-' : escapeText(text);
  const digest = content.kind === 'external' ? content.id : '-';
  const stat = `${mode} 1 ${entry.uid} ${entry.gid} ${rdev} ${entry.mtimeSec}.${entry.mtimeNsec}`;
  return `${escapeText(entry.writtenPath)} ${size} ${stat} ${payload} ${inline} ${digest}${xattrs}`;
}

function xattrValue(value: Uint8Array): string {
  return escapeText(Buffer.from(value).toString('latin1'), true);
}

/** Its blob is no whole gzip file: bytes follow that only cfsctl 0.9.0 ignored. Decompression is not this test's subject. */
const NO_GZIP = 'quirk-gzip-trailing';
const names = readdirSync(CASES).filter((name) => name !== 'README.md' && name !== NO_GZIP);
const OURS_IS_BETTER = ['quirk-one-zero-block', 'quirk-sparse-gnu', 'quirk-neg-mtime'];

for (const name of names) {
  for (const archive of readdirSync(new URL(`${name}/`, CASES)).filter((f) => f.endsWith('.zst'))) {
    const algorithm = archive.includes('sha512') ? 'sha512' : 'sha256';
    test(`${name}: layer streams and objects equal those in ${archive}`, () => {
      const { files, links } = repositoryFiles(`${name}/${archive}`);
      let compared = 0;
      for (const { diffId, tar } of layersOf(name)) {
        const link = links.get(`/repo/streams/oci-layer-${diffId}`);
        if (link === undefined) continue;
        const { stream, objects } = split(tar, algorithm);
        const stored = files.get(`/repo/${link.slice('../'.length)}`);
        assert.ok(stored?.equals(stream), `stream of ${diffId}`);
        assert.ok(link.endsWith(objectPath(computeVerity(stream, algorithm))));
        for (const [id, content] of objects) {
          assert.ok(files.get(`/repo/objects/${objectPath(id)}`)?.equals(content), `object ${id}`);
        }
        compared += 1;
      }
      assert.ok(
        compared > 0 || links.size === 0 || name.startsWith('artifact'),
        'at least one layer',
      );
    });
  }

  test(`${name}: ids, dumpfile lines and bytes equal what oci layer printed`, async () => {
    const transcripts = readdirSync(new URL(`${name}/`, CASES)).filter((f) =>
      f.endsWith('-v1.json'),
    );
    for (const transcript of transcripts) {
      const algorithm = transcript.startsWith('sha512') ? 'sha512' : 'sha256';
      const steps = stepsOf(name, transcript);
      for (const { diffId, tar } of layersOf(name)) {
        const printed = steps.filter(
          ({ cmd, rc }) => rc === 0 && cmd?.includes('layer') && cmd.at(-1) === diffId,
        );
        if (printed.length === 0) continue;
        const { stream, objects, inFirstPass } = split(tar, algorithm, 777);
        const opened = openSplitstream(stream, { algorithm });
        const entries = [...readTarEntries(opened.parts())];
        for (const { cmd, stdout, stdout_sha256: sha256 } of printed) {
          if (cmd?.includes('--json')) {
            const info = JSON.parse(stdout ?? '');
            assert.equal(computeVerity(stream, algorithm), info.verity);
            assert.equal(entries.length, info.entryCount);
            assert.equal(inFirstPass, info.entryCount);
            assert.equal(opened.sizeBytes, info.size);
          } else if (cmd?.includes('--dumpfile')) {
            assert.deepEqual(
              entries.map(dumpLine),
              stdout?.split('\n').filter((line) => line !== ''),
            );
          } else if (sha256 !== undefined) {
            const hash = createHash('sha256');
            const source = { readObject: (id: ObjectId) => [objects.get(id) ?? Buffer.alloc(0)] };
            for await (const piece of catSplitstream(opened, source)) hash.update(piece);
            assert.equal(hash.digest('hex'), sha256);
          }
        }
      }
    }
  });
}

test('layers that composefs-rs refuses are read, byte for byte', async () => {
  for (const name of OURS_IS_BETTER) {
    for (const { tar } of layersOf(name)) {
      const { stream, objects } = split(tar, 'sha256');
      const opened = openSplitstream(stream, { algorithm: 'sha256' });
      const pieces: Buffer[] = [];
      const source = { readObject: (id: ObjectId) => [objects.get(id) ?? Buffer.alloc(0)] };
      for await (const piece of catSplitstream(opened, source)) pieces.push(Buffer.from(piece));
      assert.ok(Buffer.concat(pieces).equals(tar), name);
      assert.ok([...readTarEntries(opened.parts())].length > 0, name);
    }
  }
});

test('a negative time counts its nanoseconds forward, and a sparse member has its map', () => {
  const entriesOf = (name: string) =>
    layersOf(name).flatMap(({ tar }) => [
      ...readTarEntries(
        openSplitstream(split(tar, 'sha256').stream, { algorithm: 'sha256' }).parts(),
      ),
    ]);
  const early = entriesOf('quirk-neg-mtime').filter(({ entry }) => entry.mtimeSec < 0n);
  assert.deepEqual(
    early.map(({ entry }) => [entry.mtimeSec, entry.mtimeNsec]),
    [[-6n, 500_000_000]],
  );
  const sparse = entriesOf('quirk-sparse-gnu').filter(({ entry }) => entry.sparse !== undefined);
  assert.equal(sparse.length, 1);
  const { entry } = sparse[0] as StoredTarEntry;
  const dataBytes = entry.sparse?.map.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  assert.equal(dataBytes, entry.sizeBytes);
  assert.ok((entry.sparse?.realSizeBytes ?? 0) > entry.sizeBytes);
});

test('an unknown member type can be stored but not read as entries', () => {
  for (const { tar } of layersOf('quirk-unknown-type')) {
    const { stream } = split(tar, 'sha256');
    assert.throws(
      () => [...readTarEntries(openSplitstream(stream, { algorithm: 'sha256' }).parts())],
      (error) => hasCode(error, 'TAR_TYPE_UNKNOWN'),
    );
  }
});
