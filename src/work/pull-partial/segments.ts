import type { ContentDigest } from '#base/digest';
import type { ChunkedFile, TocChunk } from '#formats/chunked';

/** Local content: an object, or a file of another store. */
export interface LocalContent<S> {
  readonly source: S;
  /** Offset in the source. */
  readonly offset: number;
}

/**
 * An index of local content by digest. Its answers are hints: a source may be missing or changed when it is read. It is queried once for each
 * file, and once for each chunk of a missing file.
 */
export interface LocalIndex<S> {
  /** A whole file of this digest and size. */
  file(digest: ContentDigest, sizeBytes: number): LocalContent<S> | undefined;
  /** A chunk of this digest and size. */
  chunk(digest: ContentDigest, sizeBytes: number): LocalContent<S> | undefined;
}

/** A part of a file and the source of its bytes; the segments of a file cover it in order. */
export type FileSegment<S> = {
  readonly fileOffset: number;
  readonly sizeBytes: number;
  /** The whole chunks of the segment, which verify it. */
  readonly chunks: readonly TocChunk[];
} & (
  | { readonly kind: 'local'; readonly source: S; readonly sourceOffset: number }
  | { readonly kind: 'zeros' }
  | { readonly kind: 'remote' }
  /** The same bytes are fetched for an earlier file. */
  | { readonly kind: 'earlier'; readonly fileIndex: number; readonly sourceOffset: number }
);

/** The sources of one file of the layer. */
export interface FilePlan<S> {
  readonly file: ChunkedFile;
  readonly segments: readonly FileSegment<S>[];
}

/** Where fetched bytes can be read again. */
interface Fetched {
  readonly fileIndex: number;
  readonly sourceOffset: number;
}

/**
 * Determines the source of the bytes of every file of a layer: first complete files, then chunks. Repeated content is fetched once. Chunks that
 * are adjacent in the file and in the source form one segment.
 */
export function planSegments<S>(
  files: readonly ChunkedFile[],
  index: LocalIndex<S>,
): FilePlan<S>[] {
  const fetchedFiles = new Map<ContentDigest, number>();
  const fetchedChunks = new Map<ContentDigest, Fetched>();
  return files.map((file, fileIndex) => {
    const whole = wholeFile(file, index, fetchedFiles);
    if (whole !== undefined) return { file, segments: [whole] };
    const segments: FileSegment<S>[] = [];
    for (const chunk of file.chunks) {
      append(segments, chunkSegment(chunk, index, fetchedChunks.get(chunk.digest)));
      const isRemote = segments.at(-1)?.kind === 'remote';
      if (!isRemote) continue;
      fetchedChunks.set(chunk.digest, { fileIndex, sourceOffset: chunk.fileOffset });
      fetchedFiles.set(file.digest, fileIndex);
    }
    return { file, segments };
  });
}

function wholeFile<S>(
  { digest, sizeBytes, chunks }: ChunkedFile,
  index: LocalIndex<S>,
  fetched: ReadonlyMap<ContentDigest, number>,
): FileSegment<S> | undefined {
  const part = { fileOffset: 0, sizeBytes, chunks };
  const local = index.file(digest, sizeBytes);
  if (local !== undefined) {
    return { ...part, kind: 'local', source: local.source, sourceOffset: local.offset };
  }
  const fileIndex = fetched.get(digest);
  return fileIndex === undefined
    ? undefined
    : { ...part, kind: 'earlier', fileIndex, sourceOffset: 0 };
}

function chunkSegment<S>(
  chunk: TocChunk,
  index: LocalIndex<S>,
  fetched: Fetched | undefined,
): FileSegment<S> {
  const { fileOffset, sizeBytes, digest } = chunk;
  const part = { fileOffset, sizeBytes, chunks: [chunk] };
  if (chunk.isZeros) return { ...part, kind: 'zeros' };
  const local = index.chunk(digest, sizeBytes);
  if (local !== undefined) {
    return { ...part, kind: 'local', source: local.source, sourceOffset: local.offset };
  }
  return fetched === undefined
    ? { ...part, kind: 'remote' }
    : { ...part, kind: 'earlier', ...fetched };
}

/** Adds a segment; joins it to the previous one if both are one run of the same source. */
function append<S>(segments: FileSegment<S>[], next: FileSegment<S>): void {
  const last = segments.at(-1);
  if (last === undefined || !continues(last, next)) {
    segments.push(next);
    return;
  }
  const sizeBytes = last.sizeBytes + next.sizeBytes;
  segments[segments.length - 1] = { ...last, sizeBytes, chunks: [...last.chunks, ...next.chunks] };
}

function continues<S>(last: FileSegment<S>, next: FileSegment<S>): boolean {
  if (last.kind === 'local' && next.kind === 'local') {
    return last.source === next.source && last.sourceOffset + last.sizeBytes === next.sourceOffset;
  }
  if (last.kind === 'earlier' && next.kind === 'earlier') {
    const isSame = last.fileIndex === next.fileIndex;
    return isSame && last.sourceOffset + last.sizeBytes === next.sourceOffset;
  }
  return last.kind === next.kind && (last.kind === 'zeros' || last.kind === 'remote');
}
