import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { locateToc, readChunkedLayer, readToc } from '#formats/chunked';
import { type ChunkedFixture, inflateAt } from './chunked-layers.ts';

/** An entry of a TOC as parsed JSON. */
export type TocFields = Record<string, unknown>;

/** TOC and tar-split of a layer, to be changed before they are compressed again. */
export interface EditableMetadata {
  toc: { version: number; entries: TocFields[]; tarSplitDigest?: string };
  /** Records of the tar-split. */
  records: Record<string, unknown>[];
  /** A last change of the TOC's text. */
  rewrite?: (text: string) => string | Buffer;
  /** Changes to the annotations, by their last word; undefined removes. */
  annotations: Record<string, string | undefined>;
  /** Inflated lengths to claim in place of the true ones. */
  claims: { toc?: number; tarSplit?: number };
  /** Bytes of tar-split in place of those that `records` make. */
  tarSplitBytes?: Buffer;
}

/** What a reader makes of a layer: usable, a reason to take it whole, or the code of an error. */
export type Verdict = 'usable' | `whole: ${string}` | `refused: ${string}`;

const PREFIX = 'io.github.containers.zstd-chunked.';

/** The metadata of a golden layer as values. */
export function metadataOf(fixture: ChunkedFixture): EditableMetadata {
  const toc = JSON.parse(inflateAt(fixture, 'manifest-position')?.toString('utf8') ?? 'null');
  const lines = inflateAt(fixture, 'tarsplit-position')?.toString('utf8').trim().split('\n') ?? [];
  return { toc, records: lines.map((line) => JSON.parse(line)), annotations: {}, claims: {} };
}

/** Where the content of a golden layer ends: where its first metadata frame begins. */
export function contentEnd(fixture: ChunkedFixture): number {
  return Number(fixture.annotations[`${PREFIX}manifest-position`]?.split(':')[0]) - 8;
}

/** Puts changed metadata behind the content of a layer again: annotations, digests and positions are made right. */
export function withMetadata(fixture: ChunkedFixture, metadata: EditableMetadata): ChunkedFixture {
  const start = contentEnd(fixture);
  const lines = metadata.records.map((record) => `${JSON.stringify(record)}\n`).join('');
  const tarSplitText = Buffer.from(lines);
  const tarSplit = metadata.tarSplitBytes ?? zstdCompressSync(tarSplitText);
  const sum = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const document = { ...metadata.toc };
  if (document.tarSplitDigest !== undefined) document.tarSplitDigest = sum(tarSplit);
  const text = JSON.stringify(document);
  const rewritten = metadata.rewrite?.(text) ?? text;
  const tocText = typeof rewritten === 'string' ? Buffer.from(rewritten) : rewritten;
  const toc = zstdCompressSync(tocText);
  const claims = metadata.claims;
  const tarSplitAt = start + 8 + toc.length + 8;
  const written: Record<string, string | undefined> = {
    'manifest-checksum': sum(toc),
    'manifest-position': `${start + 8}:${toc.length}:${claims.toc ?? tocText.length}:1`,
    'tarsplit-position': `${tarSplitAt}:${tarSplit.length}:${claims.tarSplit ?? tarSplitText.length}`,
    ...metadata.annotations,
  };
  const annotations: Record<string, string> = {};
  for (const [key, value] of Object.entries(written)) {
    if (value !== undefined) annotations[key.includes('.') ? key : `${PREFIX}${key}`] = value;
  }
  const blob = Buffer.concat([
    fixture.blob.subarray(0, start),
    skippable(toc),
    skippable(tarSplit),
  ]);
  return { ...fixture, blob, annotations };
}

/** Reads the metadata of a layer as a pull does. */
export async function judge(fixture: ChunkedFixture): Promise<Verdict> {
  try {
    const location = locateToc(new Map(Object.entries(fixture.annotations)), fixture.blob.length);
    if (location === undefined) return 'whole: no TOC';
    if (location.kind === 'unusable') return `whole: ${location.reason}`;
    if (location.kind === 'estargz') return 'whole: estargz';
    const at = ({ offset, lengthBytes }: { offset: number; lengthBytes: number }) =>
      fixture.blob.subarray(offset, offset + lengthBytes);
    const toc = await readToc(at(location.toc), location);
    if ('kind' in toc) return `whole: ${toc.reason}`;
    const layer = await readChunkedLayer(toc, at(location.tarSplit), location);
    return 'kind' in layer ? `whole: ${layer.reason}` : 'usable';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return `refused: ${code}`;
  }
}

function skippable(payload: Buffer): Buffer {
  const head = Buffer.from('502a4d1800000000', 'hex');
  head.writeUInt32LE(payload.length, 4);
  return Buffer.concat([head, payload]);
}
