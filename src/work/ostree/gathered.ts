import type { OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import {
  type CommitObjects,
  CommitStreamBuilder,
  type CommitStreamContent,
  type Dirtree,
  type MetadataKind,
} from '#formats/ostree';
import { parseRawHeader } from './file-work.ts';
import type { ObjectRecord } from './records.ts';

/**
 * The objects of one commit while they are gathered: what its stream is encoded from, and what its tree is built from without
 * searching the stream again.
 */
export class GatheredCommit implements CommitObjects {
  readonly commit: OstreeChecksum;
  readonly #builder = new CommitStreamBuilder();
  readonly #metadata = new Map<OstreeChecksum, Uint8Array>();
  readonly #dirtrees = new Map<OstreeChecksum, Dirtree>();
  readonly #files = new Map<OstreeChecksum, ObjectRecord>();

  constructor(commit: OstreeChecksum, bytes: Uint8Array) {
    this.commit = commit;
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
      this.#builder.addInlineFile(checksum, record.rawHeader, record.content);
    } else if (record.kind === 'external') {
      this.#builder.addExternalFile(checksum, record.rawHeader, record.id);
    } else {
      this.addMetadata(checksum, record.bytes);
      return;
    }
    this.#files.set(checksum, record);
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

  file(checksum: OstreeChecksum): ReturnType<CommitObjects['file']> {
    const record = this.#files.get(checksum);
    if (record?.kind === 'inline') {
      const { rawHeader, content } = record;
      return { header: parseRawHeader(rawHeader), inline: content, external: undefined };
    }
    if (record?.kind === 'external') {
      const { rawHeader, id } = record;
      return { header: parseRawHeader(rawHeader), inline: NOTHING, external: id };
    }
    return missing(checksum, 'file');
  }

  /** The content of the commit's stream. */
  encode(): CommitStreamContent {
    return this.#builder.encode(this.commit);
  }
}

const NOTHING = new Uint8Array(0);

function missing(checksum: OstreeChecksum, kind: string): never {
  throw new NotFoundError(
    'OSTREE_OBJECT_NOT_FOUND',
    `Cannot find ${kind} ${checksum} among the objects of its commit`,
    { object: `${checksum}.${kind}` },
  );
}
