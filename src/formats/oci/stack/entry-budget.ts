import { FormatError } from '#base/errors';
import type { TarEntry } from '#formats/tar';

/** Default limit of the entries of an image, including directories that no layer describes. */
export const ENTRIES_MAX = 4_000_000;

/**
 * Bytes of names, link targets, extended attributes and inline content up to which an entry counts as one. So the number of entries
 * alone bounds the memory of a tree.
 */
export const ENTRY_BYTES = 256;

/** A larger entry counts once for every this many bytes: few entries are larger, and attribute bombs consist of such entries. */
export const LARGE_ENTRY_BYTES = 64;

/** Memory of the objects that hold one extended attribute, besides its bytes. */
const XATTR_OVERHEAD_BYTES = 128;

/** The number of entries that a member counts as, with `contentBytes` of inline content. */
export function entryWeight(entry: TarEntry, contentBytes: number): number {
  const nameBytes = entry.path.length - entry.path.lastIndexOf('/') - 1;
  let bytes = nameBytes + contentBytes + entry.linkTarget.length;
  for (const [name, value] of entry.xattrs) {
    bytes += XATTR_OVERHEAD_BYTES + name.length + value.length;
  }
  return bytes <= ENTRY_BYTES ? 1 : Math.ceil(bytes / LARGE_ENTRY_BYTES);
}

/** Counts the entries of an image, and throws before an entry beyond the limit uses memory. */
export class EntryBudget {
  readonly #limit: number;
  #count = 0;

  constructor(limit: number = ENTRIES_MAX) {
    this.#limit = limit;
  }

  /** Counts an entry with `contentBytes` of inline content. @throws FormatError IMAGE_TOO_MANY_ENTRIES */
  take(entry: TarEntry, contentBytes: number): void {
    this.#add(entryWeight(entry, contentBytes), entry.offset);
  }

  /** Counts a directory created as the parent of an entry. @throws FormatError IMAGE_TOO_MANY_ENTRIES */
  takeParent(entry: TarEntry): void {
    this.#add(1, entry.offset);
  }

  #add(count: number, offset: number): void {
    this.#count += count;
    if (this.#count <= this.#limit) return;
    throw new FormatError(
      'IMAGE_TOO_MANY_ENTRIES',
      `Cannot merge the layers: expected at most ${this.#limit} files and directories, found more`,
      { offset, what: 'image', limit: this.#limit },
      {
        hint: 'Entries with long names, attributes or links count as several. If you trust the image, raise --max-entries',
      },
    );
  }
}
