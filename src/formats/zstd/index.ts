/**
 * zstd: frames by their headers, and inflating data of several frames on Node releases whose own zstd stops after the first.
 *
 *     pieces ─ ZstdFrameSplitter ─▶ frames ─▶ node:zlib, one frame at a time ─▶ content
 *
 * Compression, and all that Node inflates correctly by itself, is left to `node:zlib`.
 */
export { measureInflatedMax, walkZstdFrames, type ZstdFrame } from './frames.ts';
export { inflateZstd, inflateZstdSync } from './inflate.ts';
export {
  SKIPPABLE_HEADER_BYTES,
  SKIPPABLE_MAGIC,
  ZSTD_BLOCK_BYTES_MAX,
  ZSTD_MAGIC,
} from './layout.ts';
export { type FramePart, ZstdFrameSplitter } from './splitter.ts';
