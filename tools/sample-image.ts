/**
 * Builds OCI images from trees of files, for the demo, the benches and the tests: tars by our writer, blobs and index by our
 * layout. Everything is deterministic in its input.
 */
import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { createGzip, createZstdCompress } from 'node:zlib';
import { type ByteString, byteStringFromText } from '#base/bytes';
import { computeContentDigest } from '#base/digest';
import { writeChunkedLayer } from '#formats/chunked-writer';
import { type TarMemberSource, writeTar } from '#formats/tar';
import { openImageTarget } from '#stores/oci-layout';

/** How the tar of a layer is stored. */
export type SampleCompression = 'gzip' | 'zstd' | 'zstd:chunked' | 'none';

/** One layer: its members in order, or a whole tar. */
export type SampleLayer = {
  readonly compression: SampleCompression;
} & ({ readonly members: Iterable<TarMemberSource> } | { readonly tar: AsyncIterable<Uint8Array> });

/** What was written. */
export interface SampleImage {
  readonly manifestDigest: string;
  /** Bytes of all tars, and of all blobs. */
  readonly tarBytes: number;
  readonly blobBytes: number;
}

const SUFFIX = { gzip: '+gzip', zstd: '+zstd', 'zstd:chunked': '+zstd', none: '' } as const;
/** Level of zstd for layers with a TOC. */
const CHUNKED_LEVEL = 3;
const PIECE_BYTES = 1 << 20;

/** Writes an image into the OCI layout at `path` under a tag, beside what is there. */
export async function writeSampleImage(
  path: string,
  tag: string,
  layers: readonly SampleLayer[],
): Promise<SampleImage> {
  using target = openImageTarget({ transport: 'oci', path });
  const diffIds: string[] = [];
  const descriptors = [];
  let tarBytes = 0;
  for (const layer of layers) {
    const { compression } = layer;
    using blob = target.createBlob();
    const hash = createHash('sha256');
    const tar = async function* () {
      for await (const piece of 'tar' in layer ? layer.tar : writeTar(layer.members)) {
        hash.update(piece);
        tarBytes += piece.length;
        yield piece;
      }
    };
    const annotations = await writeCompressed(tar(), compression, (piece) => blob.write(piece));
    const { digest, sizeBytes } = blob.commit();
    diffIds.push(`sha256:${hash.digest('hex')}`);
    const mediaType = `application/vnd.oci.image.layer.v1.tar${SUFFIX[compression]}`;
    descriptors.push({ mediaType, digest, size: sizeBytes, ...annotations });
  }
  const config = Buffer.from(
    JSON.stringify({
      created: '2026-01-01T00:00:00Z',
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Cmd: ['/bin/sh'] },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: layers.map((_layer, at) => ({
        created: '2026-01-01T00:00:00Z',
        created_by: `sample layer ${at}`,
      })),
    }),
  );
  using configBlob = target.createBlob();
  configBlob.write(config);
  const { digest, sizeBytes } = configBlob.commit();
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: sizeBytes },
      layers: descriptors,
    }),
  );
  const manifestDigest = computeContentDigest(manifest);
  target.commit({ mediaType, digest: manifestDigest, sizeBytes: manifest.length, tag }, manifest);
  const blobBytes = descriptors.reduce((sum, { size }) => sum + size, 0);
  return { manifestDigest, tarBytes, blobBytes };
}

/** Writes a tar as a blob; returns the annotations that its descriptor needs. */
async function writeCompressed(
  tar: AsyncIterable<Uint8Array>,
  compression: SampleCompression,
  write: (piece: Uint8Array) => void,
): Promise<{ readonly annotations?: Readonly<Record<string, string>> }> {
  if (compression !== 'zstd:chunked') {
    for await (const piece of compress(tar, compression)) write(piece);
    return {};
  }
  const pieces = writeChunkedLayer(copied(tar), { level: CHUNKED_LEVEL });
  let next = await pieces.next();
  for (; next.done !== true; next = await pieces.next()) write(next.value);
  const end = next.value;
  return end.kind === 'chunked' ? { annotations: Object.fromEntries(end.annotations) } : {};
}

/** The writer keeps pieces, which the producer overwrites. */
async function* copied(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of tar) yield Uint8Array.from(piece);
}

function compress(
  tar: AsyncIterable<Uint8Array>,
  compression: Exclude<SampleCompression, 'zstd:chunked'>,
): AsyncIterable<Uint8Array> {
  if (compression === 'none') return tar;
  const stream = compression === 'gzip' ? createGzip({ level: 6 }) : createZstdCompress();
  void feed(tar, stream);
  return stream;
}

async function feed(
  tar: AsyncIterable<Uint8Array>,
  stream: ReturnType<typeof createGzip> | ReturnType<typeof createZstdCompress>,
): Promise<void> {
  try {
    for await (const piece of tar) {
      if (!stream.write(Buffer.from(piece))) {
        await new Promise((resolve) => stream.once('drain', resolve));
      }
    }
    stream.end();
  } catch (error) {
    stream.destroy(error as Error);
  }
}

/** How a folder becomes members. */
export interface FolderOptions {
  /** Where it appears in the image, for example `/usr/share`. */
  readonly at: string;
  /** Most regular files that are taken (default: all). */
  readonly filesMax?: number;
  /** Changes the content of a file; the size must stay. */
  readonly change?: (path: string, piece: Uint8Array) => Uint8Array;
}

/** The readable files, links and folders below a folder as tar members, in byte order of names. */
export function* membersOfFolder(
  folder: string,
  options: FolderOptions,
): Generator<TarMemberSource> {
  const budget = { left: options.filesMax ?? Number.MAX_SAFE_INTEGER };
  const parts = options.at.split('/').filter((part) => part !== '');
  for (let depth = 0; depth <= parts.length; depth += 1) {
    yield directory(`/${parts.slice(0, depth).join('/')}`, 0o755, 0n);
  }
  yield* below(folder, options.at, budget, options.change);
}

function directory(path: string, mode: number, mtimeSec: bigint): TarMemberSource {
  return { member: { type: 'directory', path: byteStringFromText(path), mode, mtimeSec } };
}

function* below(
  folder: string,
  at: string,
  budget: { left: number },
  change: FolderOptions['change'],
): Generator<TarMemberSource> {
  for (const name of readdirSync(folder).sort()) {
    if (budget.left <= 0) return;
    const source = join(folder, name);
    const path = `${at}/${name}`;
    const state = lstatSync(source);
    const common = {
      path: byteStringFromText(path),
      mode: state.mode & 0o7777,
      mtimeSec: BigInt(Math.floor(state.mtimeMs / 1000)),
    };
    if (state.isDirectory()) {
      yield { member: { type: 'directory', ...common } };
      yield* below(source, path, budget, change);
    } else if (state.isSymbolicLink()) {
      const linkTarget = readlinkSync(source, 'latin1') as ByteString;
      yield { member: { type: 'symlink', linkTarget, ...common } };
    } else if (state.isFile()) {
      const fd = tryOpen(source);
      if (fd === undefined) continue;
      budget.left -= 1;
      const member = { type: 'file', ...common, sizeBytes: state.size } as const;
      yield { member, content: contentOf(fd, state.size, path, change) };
    }
  }
}

function tryOpen(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined;
  }
}

function* contentOf(
  fd: number,
  sizeBytes: number,
  path: string,
  change: FolderOptions['change'],
): Generator<Uint8Array> {
  try {
    for (let at = 0; at < sizeBytes; ) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes - at));
      const length = readSync(fd, piece, 0, piece.length, at);
      if (length === 0) return;
      at += length;
      const bytes = piece.subarray(0, length);
      yield change === undefined ? bytes : change(path, bytes);
    }
  } finally {
    closeSync(fd);
  }
}
