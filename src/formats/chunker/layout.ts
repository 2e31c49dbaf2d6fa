/**
 * Constants of the rolling checksum that decides where chunks end. They are part of the format: a writer with other boundaries
 * shares no chunk with podman. Source: containers-storage pkg/chunked/compressor/rollsum.go, bup's rollsum.
 */
export const WINDOW_BYTES = 64;
/** Added to every byte, so that runs of zeros change the checksum too. */
export const CHAR_OFFSET = 31;
/** A chunk ends where these bits of the second sum are all set: every 64 KiB of random data on average. */
export const SPLIT_MASK = 0xffff;
/** First and second sum of a window of zeros; the second includes a constant that never leaves it. */
export const FIRST_SUM = WINDOW_BYTES * CHAR_OFFSET;
export const SECOND_SUM = WINDOW_BYTES * (WINDOW_BYTES - 1) * CHAR_OFFSET;

/** A run of zeros of at least this length is a chunk of its own. Source: compressor.go, holesFinder threshold. */
export const HOLE_BYTES_MIN = 1024;
