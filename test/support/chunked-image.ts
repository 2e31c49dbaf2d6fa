import assert from 'node:assert/strict';
import { writeChunkedLayer } from '#formats/chunked-writer';
import type { TestLayer } from './test-layout.ts';

/** A tar as a layer of zstd:chunked. */
export async function chunkedLayer(tar: Uint8Array): Promise<TestLayer> {
  const writing = writeChunkedLayer([tar], { level: 3 });
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { done, value } = await writing.next();
    if (!done) {
      pieces.push(value);
      continue;
    }
    assert.ok(value.kind === 'chunked');
    const mediaType = 'application/vnd.oci.image.layer.v1.tar+zstd';
    const descriptor = { mediaType, annotations: Object.fromEntries(value.annotations) };
    return { tar, blob: Buffer.concat(pieces), descriptor };
  }
}
