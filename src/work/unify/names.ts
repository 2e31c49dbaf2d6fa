import { resolve } from 'node:path';
import { type ContentDigest, hexOf } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { formatReference, type ImageReference, parseReference } from '#formats/oci';
import { storedName } from '#work/export-containers';
import { imageRefName } from '#work/synthesize';

/** Refs of images in the OSTree repository; the escaped reference follows. Source: ostree-ext 0.15, container store. */
export const IMAGE_REFS = 'ostree/container/image/';

/**
 * Formats an image reference as bootc, ostree-ext and deployment origins write it. Paths are absolute. The location of a containers-storage on
 * this host is not part of the reference.
 */
export function imageReferenceOf(reference: ImageReference): string {
  if (reference.transport === 'containers-storage') {
    return formatReference({ transport: 'containers-storage', name: reference.name });
  }
  const isLocal = 'path' in reference && reference.transport !== 'composefs';
  return formatReference(isLocal ? { ...reference, path: resolve(reference.path) } : reference);
}

/** The ref of the commit of an image reference. */
export function refOf(imageReference: string): string {
  return imageRefName(imageReference);
}

/** Parses the image reference of a ref; undefined if the ref is not an image ref, or is escaped in another way. */
export function imageReferenceOfRef(ref: string): string | undefined {
  if (!ref.startsWith(IMAGE_REFS)) return undefined;
  const text = ref
    .slice(IMAGE_REFS.length)
    .replace(/_(?:([0-9A-F]{2,6})_|_)/g, (_, code?: string) =>
      code === undefined
        ? '_'
        : String.fromCodePoint(Math.min(Number.parseInt(code, 16), 0x10ffff)),
    );
  return imageRefName(text) === ref ? text : undefined;
}

/**
 * Returns the name of an image in containers-storage: the name in its reference if podman could have pulled it by that name, else a name derived
 * from its config, as bootc names the images that it restores.
 */
export function storageNameOf(
  imageReference: string | undefined,
  configDigest: ContentDigest,
): string {
  const named = imageReference === undefined ? undefined : nameIn(imageReference);
  return named ?? recoveredName(configDigest);
}

/** Source: bootc, image repair. */
export function recoveredName(configDigest: ContentDigest): string {
  return `localhost/bootc-recovered:${hexOf(configDigest).slice(0, 12)}`;
}

/** Returns the image reference of a name in containers-storage. A name that podman made locally exists in containers-storage only. */
export function referenceOfName(name: string): string {
  return name.startsWith('localhost/') ? `containers-storage:${name}` : `docker://${name}`;
}

function nameIn(imageReference: string): string | undefined {
  try {
    const parsed = parseReference(imageReference);
    if (parsed.transport === 'containers-storage') return storedName(parsed.name);
    if (parsed.transport !== 'docker' || parsed.tag === undefined) return undefined;
    return storedName(`${parsed.registry}/${parsed.repository}:${parsed.tag}`);
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
}
