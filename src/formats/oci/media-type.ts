import { UnsupportedError } from '#base/errors';
import { MEDIA_TYPES } from './layout.ts';

/** Compression of a layer. A reader of the whole layer reads zstd:chunked as plain zstd. */
export type Compression = 'none' | 'gzip' | 'zstd';

/** What the media type of a layer states. `foreign`: its licence may forbid distribution (nondistributable); otherwise the same. */
export interface LayerType {
  readonly compression: Compression;
  readonly foreign: boolean;
}

const LAYER_TYPES: ReadonlyMap<string, LayerType> = new Map([
  ...layerTypes('application/vnd.oci.image.layer.v1.tar', '+', false),
  ...layerTypes('application/vnd.oci.image.layer.nondistributable.v1.tar', '+', true),
  ...layerTypes('application/vnd.docker.image.rootfs.diff.tar', '.', false),
  ...layerTypes('application/vnd.docker.image.rootfs.foreign.diff.tar', '.', true),
]);

function layerTypes(base: string, joint: string, foreign: boolean): [string, LayerType][] {
  return [
    [base, { compression: 'none', foreign }],
    [`${base}${joint}gzip`, { compression: 'gzip', foreign }],
    [`${base}${joint}zstd`, { compression: 'zstd', foreign }],
  ];
}

/** The tar layer type of a media type, OCI or Docker; undefined for any other media type (an artifact's blob). */
export function parseLayerType(mediaType: string): LayerType | undefined {
  return LAYER_TYPES.get(mediaType);
}

/** True for the config of a container image, OCI or Docker; any other config makes the manifest an artifact. */
export function isImageConfigType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociConfig || mediaType === MEDIA_TYPES.dockerConfig;
}

/** True for an OCI image index or a Docker manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerList;
}

/** True for an OCI or Docker schema 2 manifest. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociManifest || mediaType === MEDIA_TYPES.dockerManifest;
}

/** The OCI media type of a tar layer with this compression. */
export function ociLayerType(compression: Compression): string {
  if (compression === 'gzip') return MEDIA_TYPES.ociLayerGzip;
  return compression === 'zstd' ? MEDIA_TYPES.ociLayerZstd : MEDIA_TYPES.ociLayer;
}

/** Number of bytes that `detectCompression` needs; a shorter blob is passed whole. */
export const COMPRESSION_PROBE_BYTES = 6;

/** The subject of an error message: a layer, or the file around it. */
export interface CompressedSubject {
  readonly what: string;
  /** What to do when the compression is not supported. */
  readonly hint: string;
}

const LAYER: CompressedSubject = {
  what: 'layer',
  hint: 'Copy the image with a tool that compresses its layers with gzip or zstd',
};

/**
 * The compression that the first bytes of a layer show. Media types can be wrong (a zstd blob under a gzip type is common after
 * conversions), so the bytes decide; the digest is verified either way. A tar begins with a file name, and no
 * usual name collides with these magics.
 * Sources: RFC 1952 section 2.3.1; RFC 8878 sections 3.1.1 and 3.1.2 (a skippable frame may come first).
 * @throws UnsupportedError COMPRESSION_UNSUPPORTED for xz and bzip2, which old Docker archives may hold
 */
export function detectCompression(
  head: Uint8Array,
  subject: CompressedSubject = LAYER,
): Compression {
  const [a, b, c, d] = head;
  if (a === 0x1f && b === 0x8b) return 'gzip';
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd';
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) {
    return 'zstd';
  }
  if (a === 0xfd && b === 0x37 && c === 0x7a && d === 0x58) throw unsupported('xz', subject);
  if (a === 0x42 && b === 0x5a && c === 0x68 && head[3] !== undefined && isBzip2Level(head[3])) {
    throw unsupported('bzip2', subject);
  }
  return 'none';
}

function isBzip2Level(byte: number): boolean {
  return byte >= 0x31 && byte <= 0x39;
}

function unsupported(compression: string, { what, hint }: CompressedSubject): UnsupportedError {
  return new UnsupportedError(
    'COMPRESSION_UNSUPPORTED',
    `Cannot read ${what}: expected plain, gzip or zstd bytes, found ${compression}`,
    { compression },
    { hint },
  );
}
