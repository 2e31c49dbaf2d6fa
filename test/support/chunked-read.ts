import assert from 'node:assert/strict';
import {
  type ChunkedLayer,
  type ChunkedLocation,
  locateToc,
  readChunkedLayer,
  readToc,
} from '#formats/chunked';
import type { ChunkedFixture } from './chunked-layers.ts';

/** A golden zstd:chunked layer, read. */
export interface ReadFixture {
  readonly location: ChunkedLocation;
  readonly layer: ChunkedLayer;
  /** As it is in the blob. */
  readonly tarSplit: Uint8Array;
}

/** Reads the metadata of a layer that is known to be usable. */
export async function readFixture({ annotations, blob }: ChunkedFixture): Promise<ReadFixture> {
  const location = locateToc(new Map(Object.entries(annotations)), blob.length);
  assert.ok(location?.kind === 'zstd-chunked');
  const at = ({ offset, lengthBytes }: { offset: number; lengthBytes: number }) =>
    blob.subarray(offset, offset + lengthBytes);
  const toc = await readToc(at(location.toc), location);
  assert.ok(!('kind' in toc));
  const tarSplit = at(location.tarSplit);
  const layer = await readChunkedLayer(toc, tarSplit, location);
  assert.ok(!('kind' in layer));
  return { location, layer, tarSplit };
}
