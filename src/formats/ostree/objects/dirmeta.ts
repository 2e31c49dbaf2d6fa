import { encodeVariant, parseVariant } from '#formats/gvariant';
import { DIRMETA_TYPE, XATTRS_TYPE } from '../layout.ts';
import { requireDirectoryMode, requireFileMode } from './mode.ts';
import { requireMetadataSize } from './objects.ts';
import { swap32 } from './swap.ts';
import { type OstreeXattr, rawXattrsOf, type XattrRules, xattrsOf } from './xattrs.ts';

/** Owner, mode (with its file type) and xattrs of a directory, or of a file in a bare-user repository. */
export interface Dirmeta {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly xattrs: readonly OstreeXattr[];
}

/**
 * Parses a dirmeta object.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_MODE_INVALID, OSTREE_XATTR_INVALID
 */
export function parseDirmeta(bytes: Uint8Array, rules: XattrRules = {}): Dirmeta {
  const meta = parseMeta(bytes, 'dirmeta', { ...rules, isSorted: true });
  requireDirectoryMode(meta.mode, 'dirmeta');
  return meta;
}

/** The exact bytes of a dirmeta object; xattrs in the order given. */
export function encodeDirmeta(meta: Dirmeta): Uint8Array {
  const { uid, gid, mode, xattrs } = meta;
  return encodeVariant([swap32(uid), swap32(gid), swap32(mode), rawXattrsOf(xattrs)], DIRMETA_TYPE);
}

/**
 * Parses the xattr `user.ostreemeta` of a file in a bare-user repository.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_MODE_INVALID, OSTREE_XATTR_INVALID
 */
export function parseOstreemeta(bytes: Uint8Array): Dirmeta {
  const meta = parseMeta(bytes, 'user.ostreemeta', {});
  requireFileMode(meta.mode, 'user.ostreemeta');
  return meta;
}

/** The value of `user.ostreemeta`. */
export function encodeOstreemeta(meta: Dirmeta): Uint8Array {
  return encodeDirmeta(meta);
}

/**
 * Parses a `.file-xattrs` object of a bare-split-xattrs repository.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_XATTR_INVALID
 */
export function parseFileXattrs(bytes: Uint8Array): OstreeXattr[] {
  requireMetadataSize(bytes, 'file-xattrs');
  const raw = parseVariant(bytes, XATTRS_TYPE, { what: 'file-xattrs' });
  return xattrsOf(raw, 'file-xattrs');
}

/** The bytes of a `.file-xattrs` object; empty for no xattrs. */
export function encodeFileXattrs(xattrs: readonly OstreeXattr[]): Uint8Array {
  return encodeVariant(rawXattrsOf(xattrs), XATTRS_TYPE);
}

function parseMeta(bytes: Uint8Array, what: string, rules: XattrRules): Dirmeta {
  requireMetadataSize(bytes, what);
  const [uid, gid, mode, xattrs] = parseVariant(bytes, DIRMETA_TYPE, { what });
  return {
    uid: swap32(uid),
    gid: swap32(gid),
    mode: swap32(mode),
    xattrs: xattrsOf(xattrs, what, rules),
  };
}
