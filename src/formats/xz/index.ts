/**
 * The xz container with LZMA2: what parts of OSTree static deltas are compressed with. Decoding only; no other filter,
 * no threads, no dictionary beside the output.
 *
 *     stream header | block: header, LZMA2 chunks, padding, check | … | index | stream footer
 */
export { type DecodeXzOptions, decodeXz } from './reader.ts';
