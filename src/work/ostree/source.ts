import type { OstreeChecksum } from '#base/digest';
import type { MetadataKind } from '#formats/ostree';
import type { OstreeRemote } from '#remotes/ostree';
import type { OstreeRepo } from '#stores/ostree';
import type { FilePool } from './file-pool.ts';
import { absorbStream } from './file-work.ts';
import type { ObjectRecord } from './records.ts';

/** Where the objects of a commit come from. What it returns was verified; what is not there is undefined. */
export interface CommitSource {
  /** In messages. */
  readonly label: string;
  /** Objects worth asking for at the same time. */
  readonly concurrency: number;
  metadata(
    kind: MetadataKind,
    checksum: OstreeChecksum,
    options: { readonly maxBytes?: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined> | Uint8Array | undefined;
  /** Fetches, verifies and stores a file object. */
  file(
    checksum: OstreeChecksum,
    signal: AbortSignal | undefined,
  ): Promise<ObjectRecord | undefined>;
}

/** A repository on this host. */
export function localSource(repo: OstreeRepo, pool: FilePool): CommitSource {
  return {
    label: repo.root.label,
    concurrency: 512,
    metadata: (kind, checksum) => repo.readMetadata(kind, checksum),
    file: (checksum) => pool.absorbLocal(checksum),
  };
}

/** A served repository. */
export function remoteSource(remote: OstreeRemote, label: string, pool: FilePool): CommitSource {
  return {
    label,
    // Files wait for their threads as well as for the network, so more are under way than requests.
    concurrency: remote.maxInFlight * 4,
    metadata: (kind, checksum, options) => remote.metadata(kind, checksum, options),
    file: (checksum, signal) =>
      remote.file(
        checksum,
        ({ body }) =>
          body instanceof Uint8Array
            ? pool.absorb(checksum, body)
            : absorbStream(checksum, body, pool.tools),
        { signal },
      ),
  };
}
