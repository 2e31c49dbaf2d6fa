import { resolve } from 'node:path';
import { type ContentDigest, hexOf } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { formatReference, type ImageReference, parseReference } from '#formats/oci';
import { storedName } from '#work/export-containers';
import { imageRefName } from '#work/synthesize';

/** Refs of images in the OSTree repository; the escaped reference follows. Source: ostree-ext 0.15, container store. */
export const IMAGE_REFS = 'ostree/container/image/';

/**
 * An image reference as bootc, ostree-ext and origins of deployments have it: paths are absolute, and which containers-storage of this host
 * has the image does not belong to it.
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

/** The image reference that a ref stands for; undefined for a ref that is none, or was not escaped like this. */
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
 * The name of an image in containers-storage: that of its reference, where podman could have pulled it under that; else one of its config,
 * which bootc gives to images that it restores.
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

/** The image reference of a name in containers-storage: one that podman made here is known to that alone. */
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
