/** Longest status line plus headers that is accepted, in bytes; Node's own client uses 16 KiB, proxies up to 64 KiB. */
export const MAX_HEAD_BYTES = 65_536;
/** Longest chunk-size line (with extensions), in bytes. */
export const MAX_CHUNK_LINE_BYTES = 4_096;
/** Longest trailer section, in bytes. */
export const MAX_TRAILER_BYTES = 16_384;
/** Bytes of chunk lines that are accepted in excess of the bytes of body, which limits bodies of tiny chunks. */
export const MAX_EXCESS_CHUNK_BYTES = 65_536;
/** Largest number of digits of a chunk size; thirteen hex digits always fit a safe integer. */
export const MAX_CHUNK_SIZE_DIGITS = 13;
/** Size of the read buffer of a connection, in bytes. */
export const READ_BUFFER_BYTES = 65_536;
/** Number of times that a request may be moved to another connection because the server closed a kept connection before its response. */
export const MAX_REQUEUES = 4;
