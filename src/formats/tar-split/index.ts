/**
 * Tar-split: podman's record to rebuild a tar byte for byte from the unpacked files. Lines of JSON, compressed by the caller
 * that stores them (gzip in containers-storage, zstd in a zstd:chunked layer).
 *
 *     { type 2, payload: headers }  { type 1, name, size, CRC-64 of the content }  { type 2, … }  …  { type 2, trailer }
 */
export { Crc64Iso } from './crc64-iso.ts';
export { encodeGoString, utf8Text } from './go-json.ts';
export { TarSplitReader } from './reader.ts';
export { encodeTarSplitRecord, failTarSplit, type TarSplitRecord } from './record.ts';
export { type OpenTarSplitFile, replayTarSplit, type TarSplitFile } from './replay.ts';
export { TarSegmenter, type TarSegmentSink } from './segmenter.ts';
export { type TarSplitCrc, TarSplitWriter } from './writer.ts';
