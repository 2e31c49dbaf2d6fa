import assert from 'node:assert';
import type { ContentDigest } from '#base/digest';
import type { ByteRange, RemoteBlob } from '#base/flow';
import type { ChunkedLocation, MetadataPosition } from '#formats/chunked';
import type { MetadataPlan } from './plan.ts';
import { RemoteParts } from './remote-parts.ts';

/** TOC and tar-split of a layer, as stored in its blob. Not verified yet. */
export interface LayerMetadata {
  readonly toc: Uint8Array;
  readonly tarSplit: Uint8Array;
}

/** Keeps TOCs and tar-splits by the digest of the TOC, so that each layer requests them once. Results are not trusted. */
export interface MetadataStore {
  find(tocDigest: ContentDigest): LayerMetadata | undefined;
  /** Called with bytes whose digests match. */
  keep(tocDigest: ContentDigest, metadata: LayerMetadata): void;
}

/** Result of requesting the metadata. */
export type FetchedMetadata =
  | { readonly kind: 'metadata'; readonly metadata: LayerMetadata }
  /** The server sends the whole blob, from its first byte. */
  | { readonly kind: 'whole'; readonly blob: AsyncIterable<Uint8Array> };

/**
 * Fetches what the plan lists. Memory is the two documents, whose lengths `locateToc` has compared with their limits.
 * @throws TransportError
 */
export async function fetchMetadata(
  blob: RemoteBlob,
  location: ChunkedLocation,
  plan: MetadataPlan,
  signal?: AbortSignal,
): Promise<FetchedMetadata> {
  const found = await blob.readRanges(plan.ranges, { signal });
  if (found.kind === 'whole') return { kind: 'whole', blob: found.bytes };
  const ranges: (readonly [ByteRange, Uint8Array])[] = [];
  await using parts = new RemoteParts(found.pieces);
  for (const range of plan.ranges) ranges.push([range, await collect(parts, range)]);
  const at = (position: MetadataPosition) => sliceOf(ranges, position);
  return { kind: 'metadata', metadata: { toc: at(location.toc), tarSplit: at(location.tarSplit) } };
}

async function collect(parts: RemoteParts, range: ByteRange): Promise<Uint8Array> {
  const bytes = new Uint8Array(range.length);
  let at = 0;
  for await (const piece of parts.take(range)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function sliceOf(
  ranges: readonly (readonly [ByteRange, Uint8Array])[],
  { offset, lengthBytes }: MetadataPosition,
): Uint8Array {
  for (const [range, bytes] of ranges) {
    const start = offset - range.offset;
    if (start >= 0 && start + lengthBytes <= bytes.length) {
      return bytes.slice(start, start + lengthBytes);
    }
  }
  assert.fail('a plan was used with the TOC of another layer');
}
