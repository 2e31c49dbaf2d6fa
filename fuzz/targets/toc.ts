// Invariant: any bytes give a TOC whose chunks tile every file inside the blob, in any pieces alike, a reason, or one FormatError.
import assert from 'node:assert/strict';
import { FormatError } from '#base/errors';
import { parseChunkedFooter, parseStargzFooter, type Toc } from '#formats/chunked';
import { walkZstdFrames } from '#formats/zstd';
import { TocParser } from '../../src/formats/chunked/toc.ts';
import { UnusableToc } from '../../src/formats/chunked/verdict.ts';
import { inflateAt, readChunkedImages } from '../../test/support/chunked-layers.ts';

/** Name of the target and of its folder of inputs. */
export const name = 'toc';

const END_OFFSET = 2 ** 31;

/** Reads the bytes as a TOC of either kind, as frames and as a footer. */
export function run(bytes: Uint8Array): void {
  for (const isStargz of [false, true]) {
    const whole = read([bytes], isStargz);
    const cut = Math.floor(bytes.length / 3);
    assert.deepEqual(read([bytes.subarray(0, cut), bytes.subarray(cut)], isStargz), whole);
    if (typeof whole === 'object') check(whole);
  }
  guarded(() => {
    let end = 0;
    for (const { offset, lengthBytes } of walkZstdFrames(bytes)) {
      assert.equal(offset, end);
      end = offset + lengthBytes;
    }
    assert.equal(end, bytes.length);
  });
  parseChunkedFooter(bytes);
  parseStargzFooter(bytes);
}

/** The TOCs of the golden layers and the ends of their blobs. */
export function seeds(): readonly Uint8Array[] {
  const layers = [...readChunkedImages('extra/oci'), ...readChunkedImages('neg')];
  return layers.flatMap((layer) => {
    if (layer.image.includes('bomb')) return [];
    return [inflateAt(layer, 'manifest-position') ?? Buffer.alloc(0), layer.blob.subarray(-72)];
  });
}

function check(toc: Toc): void {
  for (const entry of toc.entries) {
    let fileOffset = 0;
    for (const chunk of entry.chunks) {
      assert.equal(chunk.fileOffset, fileOffset);
      assert.ok(chunk.sizeBytes > 0 && chunk.lengthBytes > 0 && chunk.offset >= 0);
      assert.ok(chunk.offset + chunk.lengthBytes <= END_OFFSET);
      fileOffset += chunk.sizeBytes;
    }
    if (entry.type === 'reg') assert.equal(fileOffset, entry.sizeBytes);
  }
}

function read(pieces: readonly Uint8Array[], isStargz: boolean): Toc | string {
  const parser = new TocParser({ endOffset: END_OFFSET, isStargz });
  try {
    for (const piece of pieces) parser.push(piece);
    return parser.finish();
  } catch (error) {
    if (!(error instanceof FormatError) && !(error instanceof UnusableToc)) throw error;
    return error.message;
  }
}

function guarded(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}
