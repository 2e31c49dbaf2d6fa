import type { ObjectId, OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import {
  type CommitStream,
  computeFileChecksum,
  FileHasher,
  HEADER_PREFIX_BYTES,
  type MetadataKind,
  parseZlibHeader,
  verifyMetadata,
} from '#formats/ostree';
import { readPieces } from '#host';
import type { Repository } from '#stores/composefs';
import type { PullJournal } from './journal.ts';
import type { ObjectRecord } from './records.ts';

/**
 * The objects that need not be fetched: those of commits at hand (bases), and those that an earlier attempt recorded. A
 * record is used only while the object that holds its content is there.
 */
export class KnownObjects {
  readonly #repository: Repository;
  readonly #bases: CommitStream[] = [];
  readonly #records = new Map<string, ObjectRecord>();
  readonly #isTrusted: boolean;
  /** Records of this very pull: their content was verified just now. */
  readonly #fresh = new Set<ObjectRecord>();

  constructor(repository: Repository, journal: PullJournal | undefined) {
    this.#repository = repository;
    this.#isTrusted = journal?.isSameBoot ?? true;
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
    if (!this.#bases.some(({ commit }) => commit === base.commit)) this.#bases.push(base);
  }

  /** The commits added as bases. */
  get bases(): readonly CommitStream[] {
    return this.#bases;
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
    const record = this.#records.get(`file${checksum}`);
    return record !== undefined && this.#isThere(record) ? record : this.#fileInBases(checksum);
  }

  #fileInBases(checksum: OstreeChecksum): ObjectRecord | undefined {
    for (const base of this.#bases) {
      if (!base.has(checksum)) continue;
      try {
        const { header, rawHeader, inline, external } = base.file(checksum);
        if (external === undefined) {
          if (computeFileChecksum(header, inline) !== checksum) continue;
          return { kind: 'inline', checksum, rawHeader, content: inline };
        }
        if (this.#repository.objects.has(external, header.sizeBytes)) {
          return {
            kind: 'external',
            checksum,
            rawHeader,
            id: external,
            sizeBytes: header.sizeBytes,
          };
        }
      } catch (error) {
        if (!isOnecopyError(error)) throw error;
      }
    }
    return undefined;
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
      return this.#isTrusted || this.#contentIsRight(record);
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

function keyOf(record: ObjectRecord): string {
  const isFile = record.kind === 'inline' || record.kind === 'external';
  return `${isFile ? 'file' : record.kind}${record.checksum}`;
}
