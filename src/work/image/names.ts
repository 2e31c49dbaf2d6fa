import type { ContentDigest, DiffId } from '#base/digest';
import type { XattrMode } from '#formats/tree';
import { type ErofsVersion, INDEX_STREAM_PREFIX, MANIFEST_STREAM_PREFIX } from '#stores/composefs';

/** Name of the stream that holds a manifest. Source: composefs-rs 0.9 composefs-oci, as all names in this file. */
export function manifestStreamName(digest: ContentDigest): string {
  return MANIFEST_STREAM_PREFIX + digest;
}

/** Name of the stream that holds an image index. */
export function indexStreamName(digest: ContentDigest): string {
  return INDEX_STREAM_PREFIX + digest;
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
 * Named reference of a manifest stream to a stored compressed blob. Specific to onecopy: the manifest keeps its blobs alive, and they are
 * freed together. composefs-rs ignores unknown names.
 */
export function blobRefName(digest: ContentDigest): string {
  return `blob:${digest}`;
}

/**
 * Named reference of a manifest stream to its config. It marks EROFS images of the standard reading, which differ from those of
 * composefs-rs. Specific to onecopy; composefs-rs removes it when it rewrites the stream with its own images.
 */
export const STANDARD_READING_REF = 'reading:standard';

/** Named reference of a manifest stream to its config. */
export function configRefName(digest: ContentDigest): string {
  return `config:${digest}`;
}

/** Prefix of the named references of a config stream to EROFS images. */
const IMAGE_SLOT_PREFIX = 'composefs.image';
/** Prefix of the named references to bootable images. */
export const BOOT_SLOT_PREFIX = 'composefs.image.boot';

/** Named reference of a config stream to the image of this version. The versions that C can read share one, as upstream. */
export function imageSlot(version: ErofsVersion): string {
  return version === 2 ? IMAGE_SLOT_PREFIX : `${IMAGE_SLOT_PREFIX}.v1`;
}

/** True for the named references of a config stream to EROFS images. */
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

/** Named reference of a config stream to the bootable image of this version and choice of xattrs. */
export function bootSlot(version: ErofsVersion, xattrs: XattrMode): string {
  const slot = version === 2 ? BOOT_SLOT_PREFIX : `${BOOT_SLOT_PREFIX}.v1`;
  return xattrs === 'allowlist-only' ? slot : `${slot}.xattrs=${xattrs}`;
}
