import type { ObjectId, OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import {
  type CommitStream,
  computeFileChecksum,
  computeFramedChecksum,
  FileHasher,
  HEADER_PREFIX_BYTES,
  isLinkMode,
  type MetadataKind,
  parseHeaderPrefix,
  parseZlibHeader,
  verifyMetadata,
} from '#formats/ostree';
import { readPieces } from '#host';
import { type Distrusted, findSound, type Repository } from '#stores/composefs';
import { openFilez, parseRawHeader, requireHeader } from '../files/file-work.ts';
import type { PullJournal } from './journal.ts';
import type { ObjectRecord } from './records.ts';

const NOTHING = new Uint8Array(0);

/** Names of xattrs without their NUL: composefs-ostree wrote such streams. */
const UNTERMINATED = { acceptUnterminated: true } as const;

/**
 * The objects that need not be fetched: those of commits at hand (bases), and those that an earlier attempt recorded. A
 * record is used only while the object that holds its content is there.
 */
export class KnownObjects {
  readonly #repository: Repository;
  readonly #bases: CommitStream[] = [];
  /** Which object refs of a base can be reused. */
  readonly #sound = new Map<CommitStream, Uint8Array>();
  readonly #distrusted: Distrusted;
  readonly #records = new Map<string, ObjectRecord>();
  readonly #isTrusted: boolean;
  /** Records of this very pull: their content was verified just now. */
  readonly #fresh = new Set<ObjectRecord>();

  constructor(repository: Repository, journal: PullJournal | undefined) {
    this.#repository = repository;
    this.#isTrusted = journal?.isSameBoot ?? true;
    this.#distrusted = repository.objects.distrusted();
    for (const record of journal?.records ?? []) this.#records.set(keyOf(record), record);
  }

  /** Number of records that earlier attempts left. */
  get recorded(): number {
    return this.#records.size;
  }

  /** Adds an object that was made from a delta. */
  add(record: ObjectRecord): void {
    this.#records.set(keyOf(record), record);
    this.#fresh.add(record);
  }

  addBase(base: CommitStream): void {
    if (this.#bases.some(({ commit }) => commit === base.commit)) return;
    this.#bases.push(base);
  }

  /**
   * Looks once at all that the bases have, and verifies what is distrusted; before that nothing of them is known. The lock of the
   * repository keeps what is there from being collected.
   * @throws HostError SYSCALL_FAILED; the signal's reason
   */
  async settle(options: Pick<OperationOptions, 'signal'> = {}): Promise<void> {
    for (const base of this.#bases) {
      if (this.#sound.has(base)) continue;
      this.#sound.set(base, await findSound(this.#repository, base.objectDigests, options));
    }
  }

  /** The commits added as bases. */
  get bases(): readonly CommitStream[] {
    return this.#bases;
  }

  /** The commit closest to the one to be pulled: its objects are reused. */
  get closest(): CommitStream | undefined {
    return this.#bases[0];
  }

  /** Where a base has a file that need not be fetched, or undefined. */
  indexOfFile(base: CommitStream, checksum: OstreeChecksum): number | undefined {
    const index = base.indexOf(checksum);
    if (index === undefined) return undefined;
    const external = base.externalAt(index);
    try {
      const data = base.dataAt(index);
      if (external !== undefined) {
        requireHeader(data);
        return this.#isPresent(base, external) ? index : undefined;
      }
      const { header, hashedHeader, payload } = openFilez(data);
      const content = isLinkMode(header.mode) ? NOTHING : payload;
      return computeFramedChecksum(hashedHeader, content) === checksum ? index : undefined;
    } catch (error) {
      // No sound file object: the longer way knows what to do.
      if (!isOnecopyError(error)) throw error;
      return undefined;
    }
  }

  metadata(kind: MetadataKind, checksum: OstreeChecksum): Uint8Array | undefined {
    const record = this.#records.get(kind + checksum);
    const found =
      record !== undefined && 'bytes' in record ? record.bytes : this.#inBases(checksum)?.data;
    if (found === undefined) return undefined;
    try {
      verifyMetadata(found, checksum, kind);
      return found;
    } catch (error) {
      // Damaged, or an object of another kind: fetch it.
      if (!isOnecopyError(error)) throw error;
      return undefined;
    }
  }

  file(checksum: OstreeChecksum): ObjectRecord | undefined {
    const record = this.#records.size === 0 ? undefined : this.#records.get(`file${checksum}`);
    return record !== undefined && this.#isThere(record) ? record : this.#fileInBases(checksum);
  }

  #fileInBases(checksum: OstreeChecksum): ObjectRecord | undefined {
    for (const base of this.#bases) {
      const index = base.indexOf(checksum);
      if (index === undefined) continue;
      try {
        const known = this.#usable(base, index, checksum);
        if (known !== undefined) return known;
      } catch (error) {
        if (!isOnecopyError(error)) throw error;
      }
    }
    return undefined;
  }

  /** A file of a base as a record, if its content is there. @throws those of parseFilez */
  #usable(base: CommitStream, index: number, checksum: OstreeChecksum): ObjectRecord | undefined {
    const data = base.dataAt(index);
    const external = base.externalAt(index);
    const rawHeader = data.subarray(0, HEADER_PREFIX_BYTES + parseHeaderPrefix(data));
    if (external === undefined) {
      const header = parseZlibHeader(rawHeader.subarray(HEADER_PREFIX_BYTES), UNTERMINATED);
      const content = data.subarray(rawHeader.length);
      if (computeFileChecksum(header, content) !== checksum) return undefined;
      return { kind: 'inline', checksum, rawHeader, content };
    }
    const sizeBytes = sizeOf(rawHeader);
    // Its size was right when the stream got its name, after everything in it was on the disk; whatever happened since is for fsck.
    if (!this.#isPresent(base, external)) return undefined;
    const id = base.objectRefs[external] as ObjectId;
    return { kind: 'external', checksum, rawHeader, id, sizeBytes };
  }

  #isPresent(base: CommitStream, external: number): boolean {
    return this.#sound.get(base)?.[external] === 1;
  }

  #inBases(checksum: OstreeChecksum) {
    for (const base of this.#bases) {
      const found = base.find(checksum);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #isThere(record: ObjectRecord): boolean {
    if (this.#fresh.has(record)) return true;
    try {
      if (record.kind === 'inline') {
        const header = parseZlibHeader(record.rawHeader.subarray(HEADER_PREFIX_BYTES));
        return computeFileChecksum(header, record.content) === record.checksum;
      }
      if (record.kind !== 'external') return false;
      if (!this.#repository.objects.has(record.id, record.sizeBytes)) return false;
      const isSuspect = this.#distrusted === 'all' || this.#distrusted.has(record.id);
      return (this.#isTrusted && !isSuspect) || this.#contentIsRight(record);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      return false;
    }
  }

  /** Reads an object that may have lost its content in a crash. */
  #contentIsRight(record: {
    readonly checksum: OstreeChecksum;
    readonly rawHeader: Uint8Array;
    readonly id: ObjectId;
  }): boolean {
    const hasher = new FileHasher(parseZlibHeader(record.rawHeader.subarray(HEADER_PREFIX_BYTES)));
    using object = this.#repository.objects.open(record.id);
    for (const piece of readPieces(object)) hasher.update(piece);
    return hasher.finish() === record.checksum;
  }
}

/** The size in a framed header that is sound. @throws FormatError of parseZlibHeader */
function sizeOf(rawHeader: Uint8Array): number {
  try {
    return parseRawHeader(rawHeader).sizeBytes;
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return parseZlibHeader(rawHeader.subarray(HEADER_PREFIX_BYTES), UNTERMINATED).sizeBytes;
  }
}

function keyOf(record: ObjectRecord): string {
  const isFile = record.kind === 'inline' || record.kind === 'external';
  return `${isFile ? 'file' : record.kind}${record.checksum}`;
}
