/**
 * The xz container with LZMA2, the compression of OSTree static delta parts. Decoding only; no other filter, no threads,
 * no dictionary besides the output.
 *
 *     stream header | block: header, LZMA2 chunks, padding, check | … | index | stream footer
 */
export { type DecodeXzOptions, decodeXz } from './reader.ts';
