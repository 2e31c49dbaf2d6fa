/**
 * Where the content of a file is cut into chunks, by a rolling checksum over the content itself: the cuts of zstd:chunked
 * layers, so that chunks of files here are chunks of layers there.
 *
 *     … data | data … data | 1,024 zeros and more | data …      a cut where 16 bits of the checksum are all set, and around holes
 */
export { type ChunkSink, ContentChunker } from './chunker.ts';
export { HOLE_BYTES_MIN } from './layout.ts';
