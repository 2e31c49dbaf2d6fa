import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { TarSplitWriter } from '#formats/tar-split';
import { testTar } from './tar-archive.ts';

const GOLDEN = fileURLToPath(new URL('../golden/containers-storage/', import.meta.url));

/** What podman says of an image in a golden store. */
export interface GoldenImage {
  readonly id: string;
  readonly names: readonly string[];
  readonly digest?: string;
  readonly manifest?: string;
  readonly config?: string;
  readonly platform?: string;
  readonly diffIds?: readonly string[];
  readonly layerChain: readonly string[];
}

/** A golden store: what podman says of it. */
export interface GoldenStore {
  readonly driver: string;
  readonly images: readonly GoldenImage[];
}

/** The golden stores by name. */
export const GOLDEN_STORES: Readonly<Record<string, GoldenStore>> = JSON.parse(
  readFileSync(join(GOLDEN, 'images.json'), 'utf8'),
);

/** Unpacks a golden store with owners, devices and xattrs (as root, with zstd); returns `[DRIVER@ROOT:OPTIONS]` for references. */
export function unpackStore(name: string, into: string): string {
  const { driver = 'overlay' } = GOLDEN_STORES[name] ?? {};
  unpackGolden(`stores/${name}.tar.zst`, into);
  const option =
    name === 'imagestore-split'
      ? `:overlay.imagestore=${into}/image`
      : name === 'additional-store'
        ? `:overlay.additionalimagestore=${into}/ro`
        : '';
  return `[${driver}@${into}/root${option}]`;
}

/** Unpacks an archive of the golden stores. */
export function unpackGolden(archive: string, into: string): void {
  mkdirSync(into, { recursive: true });
  const script = `zstd -dcq "$0" | tar --numeric-owner --xattrs --xattrs-include='*' --warning=no-timestamp -xpf - -C "$1"`;
  const done = spawnSync('bash', ['-eo', 'pipefail', '-c', script, join(GOLDEN, archive), into], {
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`cannot unpack ${archive}: ${done.stderr}`);
}

/** A golden file. */
export function readGolden(name: string): Buffer {
  return readFileSync(join(GOLDEN, name));
}

/** A file of a small store. */
export interface SmallFile {
  readonly name: string;
  readonly content: string;
}

/** Writes a graph root with an image of one layer, by hand and without root; returns the image's id. */
export function writeSmallStore(path: string, image: string, files: readonly SmallFile[]): string {
  const tar = testTar(files);
  const layer = sha256(tar);
  const config = json({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
  });
  const id = sha256(config);
  const type = 'application/vnd.oci.image';
  const manifest = json({
    schemaVersion: 2,
    config: { mediaType: `${type}.config.v1+json`, digest: `sha256:${id}`, size: config.length },
    layers: [{ mediaType: `${type}.layer.v1.tar`, digest: `sha256:${layer}`, size: tar.length }],
  });
  const put = (name: string, bytes: Uint8Array) => {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), bytes);
  };
  for (const { name, content } of files) put(`overlay/${layer}/diff/${name}`, Buffer.from(content));
  const writer = new TarSplitWriter();
  const split = Buffer.concat([writer.push(tar), writer.end()]);
  put(`overlay-layers/${layer}.tar-split.gz`, gzipSync(split));
  put('overlay-layers/layers.json', json([{ id: layer, 'diff-digest': `sha256:${layer}` }]));
  put(`overlay-images/${id}/manifest`, manifest);
  const key = Buffer.from(`sha256:${id}`).toString('base64');
  put(`overlay-images/${id}/=${key}`, config);
  put('overlay-images/images.json', json([{ id, names: [image], layer }]));
  return id;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
