/**
 * Writes layers as zstd:chunked, so that podman and others can pull them in parts: podman's chunks, TOC and tar-split.
 *
 *     tar ─▶ ChunkedWriter ─▶ contents of frames ─▶ compressFrame, on any thread ─▶ blob
 *                 ▲ placed: length of each frame ───────┘       finish ─▶ TOC, tar-split, footer; or why there are none
 */
export { compressFrame } from './compress.ts';
export type { PlainLayer, PlainReason } from './refusal.ts';
export type { ChunkedTail } from './tail.ts';
export { writeChunkedLayer } from './write-layer.ts';
export { ChunkedWriter, type ChunkedWriterOptions } from './writer.ts';
