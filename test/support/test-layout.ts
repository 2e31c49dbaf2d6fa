import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';

/** A layer of a test image. */
export interface TestLayer {
  readonly tar: Uint8Array;
  readonly compression?: 'none' | 'gzip' | 'zstd';
  /** The blob, where it must differ from the compressed tar. */
  readonly blob?: Uint8Array;
  /** What the manifest says about the blob, where it must differ from the truth. */
  readonly descriptor?: Record<string, unknown>;
}

/** What else a test image says. */
export interface TestLayoutOptions {
  /** Further keys of the config. */
  readonly config?: Record<string, unknown>;
  /** Tags that lead to it; `latest` alone without them. */
  readonly tags?: readonly string[];
}

/** What was written. */
export interface TestLayout {
  /** `oci:PATH:TAG`, with the first tag. */
  readonly reference: string;
  readonly manifestDigest: string;
  /** Files of the layers' blobs, and their diff ids. */
  readonly layers: readonly { readonly file: string; readonly diffId: string }[];
}

const SUFFIX = { none: '', gzip: '+gzip', zstd: '+zstd' } as const;

/** Writes an OCI layout with one image for this machine. By hand, so that tests do not depend on our own writer. */
export function writeTestLayout(
  path: string,
  layers: readonly TestLayer[],
  { config: more = {}, tags = ['latest'] }: TestLayoutOptions = {},
): TestLayout {
  mkdirSync(join(path, 'blobs/sha256'), { recursive: true });
  const put = (bytes: Uint8Array) => {
    const hex = sha256(bytes);
    const file = join(path, 'blobs/sha256', hex);
    writeFileSync(file, bytes);
    return { file, digest: `sha256:${hex}`, size: bytes.length };
  };
  const written = layers.map(({ tar, compression = 'gzip', blob, descriptor }) => {
    const { file, digest, size } = put(blob ?? compress(tar, compression));
    const mediaType = `application/vnd.oci.image.layer.v1.tar${SUFFIX[compression]}`;
    const diffId = `sha256:${sha256(tar)}`;
    return { file, diffId, descriptor: { mediaType, digest, size, ...descriptor } };
  });
  const config = put(
    json({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: written.map(({ diffId }) => diffId) },
      ...more,
    }),
  );
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const configType = 'application/vnd.oci.image.config.v1+json';
  const manifest = put(
    json({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: configType, digest: config.digest, size: config.size },
      layers: written.map(({ descriptor }) => descriptor),
    }),
  );
  const { digest, size } = manifest;
  const manifests = tags.map((tag) => {
    const annotations = { 'org.opencontainers.image.ref.name': tag };
    return { mediaType, digest, size, annotations };
  });
  const index = { schemaVersion: 2, manifests };
  writeFileSync(join(path, 'index.json'), json(index));
  writeFileSync(join(path, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
  return { reference: `oci:${path}:${tags[0] ?? ''}`, manifestDigest: digest, layers: written };
}

function compress(tar: Uint8Array, compression: 'none' | 'gzip' | 'zstd'): Uint8Array {
  if (compression === 'none') return tar;
  return compression === 'gzip' ? gzipSync(tar, { level: 1 }) : zstdCompressSync(tar);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Bytes that look random and are the same in every run. */
export function noise(sizeBytes: number, seed: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at * 64 < sizeBytes; at += 1) {
    parts.push(createHash('sha512').update(`${seed}/${at}`).digest());
  }
  return Buffer.concat(parts).subarray(0, sizeBytes);
}
