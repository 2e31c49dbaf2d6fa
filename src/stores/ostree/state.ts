import type { OstreeChecksum } from '#base/digest';
import {
  encodeTombstone,
  METADATA_MAX_BYTES,
  ostreeObjectPath,
  parseTombstone,
} from '#formats/ostree';
import { type Dir, fsync, fsyncParent, OPEN, randomName, writeAll } from '#host';
import { DIRECTORY_MODE, OBJECT_MODE, PARTIAL_BY_FSCK } from './layout.ts';
import { readRegular } from './regular.ts';

/** Why a commit is partial: a pull did not finish (or requested a part), or fsck removed objects. */
export type PartialReason = 'pull' | 'fsck';

/** State of commits beside their objects: partial markers, detached metadata, tombstones. */
export class OstreeState {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /** Undefined if the commit has no partial marker. */
  partialReason(commit: OstreeChecksum): PartialReason | undefined {
    const content = this.#read(partialPath(commit), 64);
    if (content === undefined) return undefined;
    return content.toString('latin1') === PARTIAL_BY_FSCK ? 'fsck' : 'pull';
  }

  /** Durable when it returns, because objects of the commit may follow at once. */
  markPartial(commit: OstreeChecksum, reason: PartialReason = 'pull'): void {
    this.#root.mkdir('state', DIRECTORY_MODE);
    this.#replace(partialPath(commit), Buffer.from(reason === 'fsck' ? PARTIAL_BY_FSCK : ''));
  }

  clearPartial(commit: OstreeChecksum): void {
    if (this.#root.unlink(partialPath(commit))) fsyncParent(this.#root, partialPath(commit));
  }

  /** The bytes of the `.commitmeta` of a commit. */
  readDetached(commit: OstreeChecksum): Uint8Array | undefined {
    return this.#read(ostreeObjectPath(commit, 'commitmeta'), METADATA_MAX_BYTES);
  }

  /** Replaces the `.commitmeta` of a commit atomically; undefined removes it. */
  writeDetached(commit: OstreeChecksum, bytes: Uint8Array | undefined): void {
    const path = ostreeObjectPath(commit, 'commitmeta');
    if (bytes === undefined) {
      this.#root.unlink(path);
      return;
    }
    this.#root.mkdir(`objects/${commit.slice(0, 2)}`, DIRECTORY_MODE);
    this.#replace(path, bytes);
  }

  /** True if the repository has a tombstone of this commit. @throws FormatError OSTREE_METADATA_INVALID */
  hasTombstone(commit: OstreeChecksum): boolean {
    const bytes = this.#read(ostreeObjectPath(commit, 'tombstone'), METADATA_MAX_BYTES);
    return bytes !== undefined && parseTombstone(bytes) === commit;
  }

  writeTombstone(commit: OstreeChecksum): void {
    this.#root.mkdir(`objects/${commit.slice(0, 2)}`, DIRECTORY_MODE);
    this.#replace(ostreeObjectPath(commit, 'tombstone'), encodeTombstone(commit));
  }

  #read(path: string, limitBytes: number): Buffer | undefined {
    return readRegular(this.#root, path, limitBytes);
  }

  #replace(path: string, bytes: Uint8Array): void {
    const temporary = `${path.slice(0, path.lastIndexOf('/'))}/.onecopy-${randomName()}`;
    try {
      {
        const flags = OPEN.write | OPEN.create | OPEN.exclusive;
        using file = this.#root.openFile(temporary, flags, OBJECT_MODE);
        writeAll(file, bytes);
        fsync(file);
      }
      this.#root.rename(temporary, path);
      fsyncParent(this.#root, path);
    } catch (error) {
      this.#root.unlink(temporary);
      throw error;
    }
  }
}

function partialPath(commit: OstreeChecksum): string {
  return `state/${commit}.commitpartial`;
}
