import type { OstreeChecksum } from '#base/digest';
import type { MetadataKind } from '#formats/ostree';
import type { OstreeRemote } from '#remotes/ostree';
import type { OstreeRepo } from '#stores/ostree';
import { hasDeltas } from '../delta/local-deltas.ts';
import type { FilePool, FileQueue, FileSink } from '../files/file-pool.ts';

/** Where the objects of a commit come from. What it returns was verified; what is not there is undefined. */
export interface CommitSource {
  /** In messages. */
  readonly label: string;
  /** Metadata objects worth asking for at the same time. */
  readonly concurrency: number;
  /** What to try when it lacks objects. */
  readonly missingHint?: string | undefined;
  metadata(
    kind: MetadataKind,
    checksum: OstreeChecksum,
    options: { readonly maxBytes?: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined> | Uint8Array | undefined;
  /** Where to ask for file objects, which are fetched, verified and stored; the sink is told what became of each. Called once. */
  files(sink: FileSink, signal: AbortSignal): FileQueue;
}

/** A repository on this host. */
export function localSource(repo: OstreeRepo, pool: FilePool): CommitSource {
  return {
    label: repo.root.label,
    // Each is read at once, so several would only keep events from their turn.
    concurrency: 1,
    missingHint: hasDeltas(repo)
      ? 'The repository has static deltas. A local pull uses them only with --require-delta'
      : undefined,
    metadata: (kind, checksum) => repo.readMetadata(kind, checksum),
    files: (sink, signal) => pool.open(sink, signal),
  };
}

/** A served repository. */
export function remoteSource(remote: OstreeRemote, label: string, pool: FilePool): CommitSource {
  return {
    label,
    concurrency: remote.maxInFlight,
    metadata: (kind, checksum, options) => remote.metadata(kind, checksum, options),
    files: (sink, signal) => pool.open(sink, signal, remote),
  };
}
