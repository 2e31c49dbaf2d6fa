import type { ContentDigest } from '#base/digest';

/** Refs of container images. Source: ostree-ext 0.15 container store. */
const IMAGE_PREFIX = 'ostree/container/image';
const LAYER_PREFIX = 'ostree/container/blob';

/**
 * The ref under which ostree-ext looks for the commit of an image reference such as `docker://quay.io/org/img:tag`. Not every result is
 * a ref that libostree accepts. Source: ostree-ext 0.15 refescape; unified-storage notes 2.11.
 */
export function imageRefName(reference: string): string {
  return `${IMAGE_PREFIX}/${escapeRef(reference)}`;
}

/** The ref of the commit that the classic route makes from a layer, by the digest of its blob. Source: as `imageRefName`. */
export function layerRefName(digest: ContentDigest): string {
  return `${LAYER_PREFIX}/${escapeRef(digest)}`;
}

function escapeRef(text: string): string {
  const characters = [...text];
  let escaped = '';
  for (const [index, character] of characters.entries()) {
    if (/[A-Za-z0-9-]/.test(character)) escaped += character;
    else if (character === '_') escaped += '__';
    else if (character === '/' && isPlainSlash(characters, index)) escaped += '/';
    else {
      const code = character.codePointAt(0) ?? 0;
      escaped += `_${code.toString(16).toUpperCase().padStart(2, '0')}_`;
    }
  }
  return escaped;
}

/** A slash is not escaped if it separates two names. */
function isPlainSlash(characters: readonly string[], index: number): boolean {
  const isLast = index === characters.length - 1;
  return !isLast && /[A-Za-z0-9]/.test(characters[index - 1] ?? '');
}
