/**
 * Cuts the content of a file into chunks by a rolling checksum over that content, at the same boundaries as in zstd:chunked
 * layers, so that chunks of files here equal chunks of layers there.
 *
 *     … data | data … data | 1,024 zeros and more | data …      a cut where 16 bits of the checksum are all set, and around holes
 */
export { type ChunkSink, ContentChunker } from './chunker.ts';
export { HOLE_BYTES_MIN } from './layout.ts';
