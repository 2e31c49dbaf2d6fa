/** Longest status line plus headers that is accepted, in bytes; Node's own client uses 16 KiB, proxies up to 64 KiB. */
export const MAX_HEAD_BYTES = 65_536;
/** Longest chunk-size line (with extensions), in bytes. */
export const MAX_CHUNK_LINE_BYTES = 4_096;
/** Most digits of a chunk size; thirteen hex digits always fit a safe integer. */
export const MAX_CHUNK_SIZE_DIGITS = 13;
/** Bytes that a body stream holds before it asks the socket to pause. */
export const BODY_HIGH_WATER_BYTES = 524_288;
/** Bytes below which a paused body stream asks for more. */
export const BODY_LOW_WATER_BYTES = 131_072;
/** Size of the one read buffer of a connection, in bytes. */
export const READ_BUFFER_BYTES = 65_536;
/** How often one request may be moved to another connection because the server closed a kept one before answering. */
export const MAX_REQUEUES = 4;
