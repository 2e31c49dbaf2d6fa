import type { ObjectId, OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import {
  type CommitStream,
  computeFileChecksum,
  FileHasher,
  HEADER_PREFIX_BYTES,
  type MetadataKind,
  parseHeaderPrefix,
  parseZlibHeader,
  type StreamObject,
  verifyMetadata,
} from '#formats/ostree';
import { readPieces } from '#host';
import type { Repository } from '#stores/composefs';
import { parseRawHeader } from './file-work.ts';
import type { PullJournal } from './journal.ts';
import type { ObjectRecord } from './records.ts';

/** Names of xattrs without their NUL: composefs-ostree wrote such streams. */
const UNTERMINATED = { acceptUnterminated: true } as const;

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
      const found = base.find(checksum);
      if (found === undefined) continue;
      try {
        const known = this.#usable(found);
        if (known !== undefined) return known;
      } catch (error) {
        if (!isOnecopyError(error)) throw error;
      }
    }
    return undefined;
  }

  /** A file of a base as a record, if its content is there. @throws those of parseFilez */
  #usable({ checksum, data, external }: StreamObject): ObjectRecord | undefined {
    const rawHeader = data.subarray(0, HEADER_PREFIX_BYTES + parseHeaderPrefix(data));
    if (external === undefined) {
      const header = parseZlibHeader(rawHeader.subarray(HEADER_PREFIX_BYTES), UNTERMINATED);
      const content = data.subarray(rawHeader.length);
      if (computeFileChecksum(header, content) !== checksum) return undefined;
      return { kind: 'inline', checksum, rawHeader, content };
    }
    const sizeBytes = sizeOf(rawHeader);
    if (!this.#repository.objects.has(external, sizeBytes)) return undefined;
    return { kind: 'external', checksum, rawHeader, id: external, sizeBytes };
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
