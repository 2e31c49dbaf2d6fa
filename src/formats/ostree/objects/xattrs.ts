import { type ByteString, byteStringOf, bytesOf } from '#base/bytes';
import { FormatError } from '#base/errors';
import type { ValueOf } from '#formats/gvariant';
import type { XATTRS_TYPE } from '../layout.ts';

/** One extended attribute. */
export interface OstreeXattr {
  /** Without the NUL that ends it in the object. */
  readonly name: ByteString;
  readonly value: Uint8Array;
  /**
   * True when the object stores the name without its NUL: a defect of composefs-ostree commits made from images (OSTree spec
   * 6.2/5). Only parsers with `acceptUnterminated` set this; encoding preserves it, so that the bytes stay the same.
   */
  readonly isUnterminated?: true;
}

/** Xattrs in their GVariant form. */
type RawXattrs = ValueOf<typeof XATTRS_TYPE>;

/** Strictness of reading xattrs. */
export interface XattrRules {
  /** Require ascending names (dirmeta). Files may list them in any order; they are sorted for hashing. */
  readonly isSorted?: boolean;
  /** Accept names that lack their NUL, and mark them. */
  readonly acceptUnterminated?: boolean;
}

/**
 * Reads extended attributes: names are not empty, end in their only NUL, and are unique.
 * Source: OSTree spec 2.4.
 * @throws FormatError OSTREE_XATTR_INVALID
 */
export function xattrsOf(raw: RawXattrs, what: string, rules: XattrRules = {}): OstreeXattr[] {
  const xattrs = raw.map(([name, value]) => oneXattr(name, value, what, rules));
  const names = new Set<ByteString>();
  let previous: ByteString | undefined;
  for (const { name } of xattrs) {
    if (names.has(name)) failXattr(what, name, 'a repeated name');
    if (rules.isSorted === true && previous !== undefined && name < previous) {
      failXattr(what, name, 'a name out of order');
    }
    names.add(name);
    previous = name;
  }
  return xattrs;
}

/** The stored form: names get their NUL. Order is kept. */
export function rawXattrsOf(xattrs: readonly OstreeXattr[]): RawXattrs {
  return xattrs.map(({ name, value, isUnterminated }) => [
    bytesOf((isUnterminated === true ? name : `${name}\0`) as ByteString),
    value,
  ]);
}

/** The hashing order of xattrs: by the bytes of their names (libostree 2024.10 and later). */
export function sortXattrs(xattrs: readonly OstreeXattr[]): readonly OstreeXattr[] {
  if (isSorted(xattrs)) return xattrs;
  return [...xattrs].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/**
 * The xattrs of a file that a `bare` repository returns, in their hashing order. libostree does not see an xattr without a
 * value, and the kernel converts a capability of version 3 with root id 0 into version 2. A checksum over other xattrs
 * cannot match there. Source: OSTree spec 2.5; Linux security/commoncap.c cap_inode_getsecurity.
 */
export function xattrsOnDisk(xattrs: readonly OstreeXattr[]): readonly OstreeXattr[] {
  const isKept = xattrs.every((one) => one.value.length > 0 && valueOnDisk(one) === one.value);
  if (isKept) return sortXattrs(xattrs);
  const stored = xattrs.filter(({ value }) => value.length > 0);
  return sortXattrs(stored.map((one) => ({ ...one, value: valueOnDisk(one) })));
}

const CAPABILITY = 'security.capability';
/** Sizes of `struct vfs_ns_cap_data` and `struct vfs_cap_data`. The revision is the last byte of the first, little-endian word. */
const CAPABILITY_V3_BYTES = 24;
const CAPABILITY_V2_BYTES = 20;
const REVISION_AT = 3;
/** Every byte of the id that stands for none. */
const INVALID_ID_BYTE = 0xff;

function valueOnDisk({ name, value }: OstreeXattr): Uint8Array {
  const isV3 =
    name === CAPABILITY && value.length === CAPABILITY_V3_BYTES && value[REVISION_AT] === 3;
  if (!isV3 || value.subarray(CAPABILITY_V2_BYTES).some((byte) => byte !== 0)) return value;
  const older = value.slice(0, CAPABILITY_V2_BYTES);
  older[REVISION_AT] = 2;
  return older;
}

/**
 * The first xattr that no file of a `bare` repository can have: the kernel refuses capabilities of another revision, size or flag, and those
 * of an invalid root id. Source: Linux security/commoncap.c validheader, cap_convert_nscap.
 */
export function refusedOnDisk(xattrs: readonly OstreeXattr[]): OstreeXattr | undefined {
  return xattrs.find(({ name, value }) => name === CAPABILITY && !isCapability(value));
}

function isCapability(value: Uint8Array): boolean {
  const [flags = 0, second, third, revision] = value;
  if (flags > 1 || second !== 0 || third !== 0) return false;
  if (revision === 2) return value.length === CAPABILITY_V2_BYTES;
  const rootId = value.subarray(CAPABILITY_V2_BYTES);
  return (
    revision === 3 &&
    value.length === CAPABILITY_V3_BYTES &&
    rootId.some((byte) => byte !== INVALID_ID_BYTE)
  );
}

/** True when the names ascend. */
export function isSorted(xattrs: readonly OstreeXattr[]): boolean {
  return xattrs.every((one, at) => at === 0 || (xattrs[at - 1]?.name ?? '') < one.name);
}

function oneXattr(name: Uint8Array, value: Uint8Array, what: string, rules: XattrRules) {
  const nul = name.indexOf(0);
  const text = byteStringOf(name);
  if (nul < 0 && name.length > 0 && rules.acceptUnterminated === true) {
    return { name: text, value, isUnterminated: true } as const;
  }
  if (nul !== name.length - 1 || nul < 0)
    failXattr(what, text, 'a name without one NUL at its end');
  if (nul === 0) failXattr(what, text, 'an empty name');
  return { name: text.slice(0, -1) as ByteString, value };
}

function failXattr(what: string, name: ByteString, found: string): never {
  throw new FormatError(
    'OSTREE_XATTR_INVALID',
    `Cannot read xattrs of ${what}: expected unique, ended, non-empty names, found ${found}: ${JSON.stringify(name)}`,
    { offset: 0, what, found, name },
  );
}
