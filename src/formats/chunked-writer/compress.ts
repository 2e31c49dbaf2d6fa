import { constants, zstdCompressSync } from 'node:zlib';

/**
 * One frame of a layer: the bytes at a zstd level, with checksum and content size. Equal bytes, level and libzstd produce an
 * equal frame, so that frames can be compressed in any order on any thread.
 */
export function compressFrame(bytes: Uint8Array, level: number): Uint8Array {
  return zstdCompressSync(bytes, parametersOf(level));
}

function parametersOf(level: number) {
  return {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
  };
}
