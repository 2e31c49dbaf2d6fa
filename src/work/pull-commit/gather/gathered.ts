import type { OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import type { Steps } from '#base/flow';
import {
  type CommitObjects,
  type CommitStream,
  CommitStreamBuilder,
  type CommitStreamContent,
  type Dirtree,
  type MetadataKind,
} from '#formats/ostree';
import { openFilez, parseRawHeader } from '../files/file-work.ts';
import type { ObjectRecord } from './records.ts';

/**
 * The objects of one commit while they are gathered: what its stream is encoded from, and what its tree is built from without
 * searching the stream again.
 */
export class GatheredCommit implements CommitObjects {
  readonly commit: OstreeChecksum;
  readonly base: CommitStream | undefined;
  readonly #builder: CommitStreamBuilder;
  readonly #metadata = new Map<OstreeChecksum, Uint8Array>();
  readonly #dirtrees = new Map<OstreeChecksum, Dirtree>();
  /** Files that were added, and where the base has those that were taken. */
  readonly #files = new Map<OstreeChecksum, GatheredFile | number>();

  /** @param base a commit whose objects can be taken as they are */
  constructor(commit: OstreeChecksum, bytes: Uint8Array, base?: CommitStream) {
    this.commit = commit;
    this.base = base;
    this.#builder = new CommitStreamBuilder(base);
    this.addMetadata(commit, bytes);
  }

  /** @throws FormatError OSTREE_STREAM_INVALID when an object of this id has other bytes */
  addMetadata(checksum: OstreeChecksum, bytes: Uint8Array): void {
    this.#builder.addMetadata(checksum, bytes);
    this.#metadata.set(checksum, bytes);
  }

  /** Adds a dirtree that was parsed. @throws FormatError OSTREE_STREAM_INVALID as `addMetadata` */
  addDirtree(checksum: OstreeChecksum, bytes: Uint8Array, parsed: Dirtree): void {
    this.addMetadata(checksum, bytes);
    this.#dirtrees.set(checksum, parsed);
  }

  /** @throws FormatError OSTREE_STREAM_INVALID as `addMetadata` */
  add(record: ObjectRecord): void {
    const { checksum } = record;
    if (record.kind === 'inline') {
      const { rawHeader, content } = record;
      this.#builder.addInlineFile(checksum, rawHeader, content);
      const header = parseRawHeader(rawHeader);
      this.#files.set(checksum, { header, inline: content, external: undefined });
    } else if (record.kind === 'external') {
      const { rawHeader, id } = record;
      this.#builder.addExternalFile(checksum, rawHeader, id);
      const header = parseRawHeader(rawHeader);
      this.#files.set(checksum, { header, inline: NOTHING, external: id });
    } else this.addMetadata(checksum, record.bytes);
  }

  /** Adds the file at an index of the base. Returns false when that was done before. */
  takeFile(checksum: OstreeChecksum, index: number): boolean {
    if (!this.#builder.take(index)) return false;
    this.#files.set(checksum, index);
    return true;
  }

  has(checksum: OstreeChecksum): boolean {
    return this.#builder.has(checksum);
  }

  metadata(checksum: OstreeChecksum, kind: MetadataKind): Uint8Array {
    return this.#metadata.get(checksum) ?? missing(checksum, kind);
  }

  dirtree(checksum: OstreeChecksum): Dirtree | undefined {
    return this.#dirtrees.get(checksum);
  }

  file(checksum: OstreeChecksum): GatheredFile {
    const file = this.#files.get(checksum);
    return typeof file === 'object' ? file : this.#fileOfBase(checksum, file);
  }

  #fileOfBase(checksum: OstreeChecksum, index: number | undefined): GatheredFile {
    const { base } = this;
    if (base === undefined || index === undefined) return missing(checksum, 'file');
    const { header, payload } = openFilez(base.dataAt(index));
    const external = base.externalAt(index);
    if (external === undefined) return { header, inline: payload, external };
    return { header, inline: NOTHING, external: base.objectRefs[external] };
  }

  /** The content of the commit's stream. */
  encodeInSteps(): Steps<CommitStreamContent> {
    return this.#builder.encodeInSteps(this.commit);
  }
}

type GatheredFile = ReturnType<CommitObjects['file']>;

const NOTHING = new Uint8Array(0);

function missing(checksum: OstreeChecksum, kind: string): never {
  throw new NotFoundError(
    'OSTREE_OBJECT_NOT_FOUND',
    `Cannot find ${kind} ${checksum} among the objects of its commit`,
    { object: `${checksum}.${kind}` },
  );
}
