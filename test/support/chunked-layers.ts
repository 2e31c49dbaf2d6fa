import { readdirSync, readFileSync } from 'node:fs';
import { zstdDecompressSync } from 'node:zlib';

/** One layer of a golden image: its descriptor, its blob, and the diff id that the config gives it. */
export interface ChunkedFixture {
  /** `oci/zc-v1 layer 0`. */
  readonly name: string;
  readonly image: string;
  readonly blob: Buffer;
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly diffId: string;
}

const GOLDEN = new URL('../golden/chunked/', import.meta.url);

interface Descriptor {
  readonly digest: string;
  readonly mediaType: string;
  readonly annotations?: Record<string, string>;
}

/** The layers of a golden image; `path` is below test/golden/chunked. */
export function readChunkedImage(path: string): ChunkedFixture[] {
  const folder = new URL(`${path}/`, GOLDEN);
  const blob = (digest: string) =>
    readFileSync(new URL(`blobs/sha256/${digest.replace('sha256:', '')}`, folder));
  const document = (digest: string) => JSON.parse(blob(digest).toString('utf8'));
  const index = JSON.parse(readFileSync(new URL('index.json', folder), 'utf8'));
  const manifest = document(index.manifests[0].digest);
  const diffIds: string[] = document(manifest.config.digest).rootfs.diff_ids;
  return manifest.layers.map((layer: Descriptor, at: number) => ({
    name: `${path} layer ${at}`,
    image: path,
    blob: blob(layer.digest),
    mediaType: layer.mediaType,
    annotations: layer.annotations ?? {},
    diffId: diffIds[at] ?? '',
  }));
}

/** All layers of the golden images in a folder below test/golden/chunked. */
export function readChunkedImages(folder: string): ChunkedFixture[] {
  return readdirSync(new URL(`${folder}/`, GOLDEN))
    .sort()
    .flatMap((image) => readChunkedImage(`${folder}/${image}`));
}

/** The numbers of a position annotation, its offset and length cut out of the blob, uncompressed. */
export function inflateAt(fixture: ChunkedFixture, annotation: string): Buffer | undefined {
  const position = fixture.annotations[`io.github.containers.zstd-chunked.${annotation}`];
  if (position === undefined) return undefined;
  const [offset = 0, length = 0] = position.split(':').map(Number);
  return zstdDecompressSync(fixture.blob.subarray(offset, offset + length));
}

/** The text of a golden file below test/golden/chunked. */
export function readChunkedGolden(path: string): string {
  return readFileSync(new URL(path, GOLDEN), 'utf8');
}
