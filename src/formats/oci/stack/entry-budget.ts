import { FormatError } from '#base/errors';
import type { TarEntry } from '#formats/tar';

/** Most entries of an image, directories that no layer describes included, unless the caller says otherwise. */
export const ENTRIES_MAX = 4_000_000;

/**
 * Bytes of names, link targets, extended attributes and inline content that an entry may have to count as one. So the memory of a tree is
 * bounded by the number of entries alone.
 */
export const ENTRY_BYTES = 256;

/** An entry with more than that counts once for every this many bytes: few need them, and a bomb of attributes is made of them. */
export const LARGE_ENTRY_BYTES = 64;

/** What a directory entry costs beside its bytes, for each extended attribute: the objects that hold it. */
const XATTR_OVERHEAD_BYTES = 128;

/** How many entries a member counts for, with `contentBytes` of inline content. */
export function entryWeight(entry: TarEntry, contentBytes: number): number {
  const nameBytes = entry.path.length - entry.path.lastIndexOf('/') - 1;
  let bytes = nameBytes + contentBytes + entry.linkTarget.length;
  for (const [name, value] of entry.xattrs) {
    bytes += XATTR_OVERHEAD_BYTES + name.length + value.length;
  }
  return bytes <= ENTRY_BYTES ? 1 : Math.ceil(bytes / LARGE_ENTRY_BYTES);
}

/** Counts the entries of an image and refuses one too many before it takes memory. */
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

  /** Counts a directory that is made as the parent of an entry. @throws FormatError IMAGE_TOO_MANY_ENTRIES */
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
