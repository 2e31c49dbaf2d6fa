import type { ContentDigest, DiffId } from '#base/digest';
import { type ErofsVersion, MANIFEST_STREAM_PREFIX } from '#stores/composefs';

/** Name of the stream that holds a manifest. Source: composefs-rs 0.9 composefs-oci, as all names in this file. */
export function manifestStreamName(digest: ContentDigest): string {
  return MANIFEST_STREAM_PREFIX + digest;
}

/** Name of the stream that holds an image config. */
export function configStreamName(digest: ContentDigest): string {
  return `oci-config-${digest}`;
}

/** Name of the stream of a layer: by its diff id for a tar, by its own digest for a blob of an artifact. */
export function layerStreamName(digest: DiffId | ContentDigest): string {
  return `oci-layer-${digest}`;
}

/** Name of the stream that holds a blob as it was fetched. */
export function blobStreamName(digest: ContentDigest): string {
  return `oci-blob-${digest}`;
}

/**
 * Named reference of a manifest stream to a blob that was kept as fetched. Ours: a manifest that keeps its blobs alive this way lets
 * them go together with itself, and composefs-rs ignores the names it does not look for.
 */
export function blobRefName(digest: ContentDigest): string {
  return `blob:${digest}`;
}

/**
 * Named reference of a manifest stream, to its config, that says: the EROFS images are of the standard reading and not those that
 * composefs-rs makes of the layers. Ours; composefs-rs drops it whenever it writes the stream anew, with images of its own.
 */
export const STANDARD_READING_REF = 'reading:standard';

/** Named reference of a manifest stream to its config. */
export function configRefName(digest: ContentDigest): string {
  return `config:${digest}`;
}

/** First part of the named references of a config stream that lead to EROFS images and not to layers. */
const IMAGE_SLOT_PREFIX = 'composefs.image';
/** First part of those that lead to bootable images. */
export const BOOT_SLOT_PREFIX = 'composefs.image.boot';

/** Named reference of a config stream to the image of this version: the versions that C can read share one, as upstream. */
export function imageSlot(version: ErofsVersion): string {
  return version === 2 ? IMAGE_SLOT_PREFIX : `${IMAGE_SLOT_PREFIX}.v1`;
}

/** True for the named references of a config stream that lead to EROFS images. */
export function isImageSlot(name: string): boolean {
  return name === IMAGE_SLOT_PREFIX || name.startsWith(`${IMAGE_SLOT_PREFIX}.`);
}

/** What the name of a slot says. Source: oci-and-cli section 2.2. */
export function describeSlot(slot: string): {
  readonly bootable: boolean;
  /** 1 stands for the versions 0 and 1. */
  readonly version: 1 | 2;
  /** Only of a bootable image. */
  readonly xattrMode: string | null;
} {
  const bootable = slot.startsWith(BOOT_SLOT_PREFIX);
  const version = /\.v1(?:\.|$)/.test(slot) ? 1 : 2;
  const [, mode = 'allowlist-only'] = /\.xattrs=(.+)$/.exec(slot) ?? [];
  return { bootable, version, xattrMode: bootable ? mode : null };
}
