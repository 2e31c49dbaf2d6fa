import { concatBytes } from '#base/bytes';
import { type ContentDigest, computeContentDigest } from '#base/digest';
import {
  CHUNKED_ANNOTATION,
  encodeChunkedFooter,
  encodeSkippableFrame,
  METADATA_BYTES_MAX,
  type MetadataPosition,
  TOC_BYTES_MAX,
  TOC_ENTRIES_MAX,
  TOC_TYPE,
  TOC_VERSION,
} from '#formats/chunked';
import { SKIPPABLE_HEADER_BYTES } from '#formats/zstd';
import { compressFrame } from './compress.ts';
import { type PlainLayer, plainLayer } from './refusal.ts';
import type { TarSplitFrames } from './tar-split-frames.ts';
import { encodeTocEntry, type TocDraft } from './toc-text.ts';

/** The end of a layer with a TOC. */
export interface ChunkedTail {
  readonly kind: 'chunked';
  /** Frames of TOC, tar-split and footer: the last bytes of the blob. */
  readonly tail: Uint8Array;
  /** Annotations for the descriptor of the layer. */
  readonly annotations: ReadonlyMap<string, string>;
}

/** Encodes TOC, tar-split and footer. `offsets` are the blob offsets of the frames, and last the end of the frames. */
export function encodeTail(
  drafts: readonly TocDraft[],
  offsets: readonly number[],
  split: TarSplitFrames,
  level: number,
): ChunkedTail | PlainLayer {
  const { bytes: tarSplit, inflatedBytes } = split.finish();
  const text = encodeToc(drafts, offsets, computeContentDigest(tarSplit));
  if (text === undefined || split.isTooLarge) return tooLarge();
  const toc = compressFrame(text, level);
  if (toc.length > METADATA_BYTES_MAX || tarSplit.length > METADATA_BYTES_MAX) return tooLarge();
  const tocAt = (offsets.at(-1) ?? 0) + SKIPPABLE_HEADER_BYTES;
  const tocPosition = { offset: tocAt, lengthBytes: toc.length, inflatedBytes: text.length };
  const tarSplitPosition = {
    offset: tocAt + toc.length + SKIPPABLE_HEADER_BYTES,
    lengthBytes: tarSplit.length,
    inflatedBytes,
  };
  return {
    kind: 'chunked',
    tail: concatBytes([
      encodeSkippableFrame(toc),
      encodeSkippableFrame(tarSplit),
      encodeChunkedFooter(tocPosition, tarSplitPosition),
    ]),
    annotations: new Map([
      [CHUNKED_ANNOTATION.tocDigest, computeContentDigest(toc)],
      [CHUNKED_ANNOTATION.tocPosition, `${positionText(tocPosition)}:${TOC_TYPE}`],
      [CHUNKED_ANNOTATION.tarSplitPosition, positionText(tarSplitPosition)],
    ]),
  };
}

/** The TOC as podman writes it; undefined when it is longer than readers accept. */
function encodeToc(
  drafts: readonly TocDraft[],
  offsets: readonly number[],
  tarSplitDigest: ContentDigest,
): Uint8Array | undefined {
  const entries: string[] = [];
  let length = 0;
  let count = 0;
  for (const draft of drafts) {
    const text = encodeTocEntry(draft, (frame) => offsets[frame] ?? 0);
    entries.push(text);
    length += text.length;
    count += Math.max(draft.runs.length, 1);
    if (length > TOC_BYTES_MAX || count > TOC_ENTRIES_MAX) return undefined;
  }
  const list = entries.length === 0 ? 'null' : `[${entries.join(',')}]`;
  const text = Buffer.from(
    `{"version":${TOC_VERSION},"entries":${list},"tarSplitDigest":"${tarSplitDigest}"}`,
    'utf8',
  );
  return text.length > TOC_BYTES_MAX ? undefined : text;
}

function positionText({ offset, lengthBytes, inflatedBytes }: MetadataPosition): string {
  return `${offset}:${lengthBytes}:${inflatedBytes}`;
}

function tooLarge(): PlainLayer {
  return plainLayer('too-large', 'its TOC or tar-split is longer than readers accept');
}
