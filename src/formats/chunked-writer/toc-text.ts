import type { ByteString } from '#base/bytes';
import type { ContentDigest } from '#base/digest';
import { formatTocTime, type TocType } from '#formats/chunked';
import type { TarMemberHeader } from '#formats/tar';
import { encodeGoString, utf8Text } from '#formats/tar-split';

/** A chunk of a file in terms of frames; blob offsets are known only when all earlier frames are placed. */
export interface FrameRun {
  readonly firstFrame: number;
  readonly sizeBytes: number;
  readonly fileOffset: number;
  readonly digest: ContentDigest;
  readonly isZeros: boolean;
}

/** The TOC content for one member. */
export interface TocDraft {
  readonly type: TocType;
  readonly header: TarMemberHeader;
  readonly digest: ContentDigest | undefined;
  readonly runs: readonly FrameRun[];
  /** Index of the frame after its content. */
  readonly endFrame: number;
}

/**
 * The TOC text of a member: one entry, and one for each further chunk, separated by commas, as podman writes them.
 * `offsetOf` returns the blob offset of a frame. Texts must be UTF-8, and times must have a year of four digits.
 * Source: containers-storage pkg/chunked/internal/compression.go, FileMetadata: order of keys, and which are omitted when empty.
 */
export function encodeTocEntry(draft: TocDraft, offsetOf: (frame: number) => number): string {
  const { header, runs } = draft;
  const [first] = runs;
  const fields: string[] = [text('type', draft.type), text('name', textOf(header.name))];
  add(fields, 'linkName', textOf(header.linkName));
  add(fields, 'mode', header.mode);
  add(fields, 'size', header.sizeBytes);
  add(fields, 'uid', header.uid);
  add(fields, 'gid', header.gid);
  fields.push(text('modtime', formatTocTime(header.mtime) ?? ''));
  add(fields, 'accesstime', header.atime === undefined ? '' : (formatTocTime(header.atime) ?? ''));
  add(fields, 'changetime', header.ctime === undefined ? '' : (formatTocTime(header.ctime) ?? ''));
  add(fields, 'devMajor', header.rdevMajor);
  add(fields, 'devMinor', header.rdevMinor);
  if (header.xattrs.size > 0) fields.push(`"xattrs":${encodeXattrs(header.xattrs)}`);
  add(fields, 'digest', draft.digest ?? '');
  if (first !== undefined) {
    add(fields, 'offset', offsetOf(first.firstFrame));
    add(fields, 'endOffset', offsetOf(draft.endFrame));
    if (runs.length > 1) addChunk(fields, first);
  }
  const entries = [`{${fields.join(',')}}`];
  for (const run of runs.slice(1)) {
    const chunk = [text('type', 'chunk'), text('name', textOf(header.name))];
    add(chunk, 'offset', offsetOf(run.firstFrame));
    addChunk(chunk, run);
    entries.push(`{${chunk.join(',')}}`);
  }
  return entries.join(',');
}

function addChunk(fields: string[], run: FrameRun): void {
  add(fields, 'chunkSize', run.sizeBytes);
  add(fields, 'chunkOffset', run.fileOffset);
  add(fields, 'chunkDigest', run.digest);
  if (run.isZeros) add(fields, 'chunkType', 'zeros');
}

/** Adds a field, unless it is empty. */
function add(fields: string[], key: string, value: string | number): void {
  if (value === '' || value === 0) return;
  fields.push(typeof value === 'number' ? `"${key}":${value}` : text(key, value));
}

function text(key: string, value: string): string {
  return `"${key}":${encodeGoString(value)}`;
}

function textOf(name: ByteString): string {
  return utf8Text(name) ?? '';
}

function encodeXattrs(xattrs: ReadonlyMap<ByteString, Uint8Array>): string {
  const pairs = [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1));
  const fields = pairs.map(([name, value]) => {
    return `${encodeGoString(textOf(name))}:"${Buffer.from(value).toString('base64')}"`;
  });
  return `{${fields.join(',')}}`;
}
