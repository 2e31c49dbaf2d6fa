import { createHash } from 'node:crypto';
import { type ByteString, byteStringFromText } from '#base/bytes';
import type { DiffId } from '#base/digest';
import { ID_PATTERN } from './layout.ts';

const PLAIN = /^[.0-9a-z]$/;

/**
 * The file name of a big data item: the key itself if all characters but the last are of `[.0-9a-z]`, else `=` and base64. Undefined for a key
 * whose file would be outside of the folder.
 * Source: containers/storage, makeBigDataBaseName, which ignores the last character.
 */
export function bigDataFileName(key: string): ByteString | undefined {
  const isPlain = [...key].slice(0, -1).every((letter) => PLAIN.test(letter));
  const name = isPlain ? key : `=${Buffer.from(key, 'utf8').toString('base64')}`;
  const isName = name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
  return isName ? byteStringFromText(name) : undefined;
}

/** The part of a layer's identity beside its parent. */
export type LayerIdentity =
  | { readonly diffId: DiffId }
  /** Pulled in parts, with a trusted TOC: the digest of the TOC as hex. */
  | { readonly tocHex: string };

/**
 * The id of a layer. The id of a base layer is its diff id; the id of every other layer is the SHA-256 of parent and identity, which is not the
 * OCI chain id. Source: containers/image, storage destination, layerID.
 */
export function computeLayerId(parent: string | undefined, identity: LayerIdentity): string {
  const isByDiffId = 'diffId' in identity;
  const component = isByDiffId
    ? identity.diffId.slice(identity.diffId.indexOf(':') + 1)
    : `@TOC=${identity.tocHex}`;
  if (parent === undefined && isByDiffId) return component;
  return createHash('sha256')
    .update(`${parent ?? ''}+${component}`)
    .digest('hex');
}

/** True for an id of an image or layer. */
export function isStorageId(text: string): boolean {
  return ID_PATTERN.test(text);
}
