/** Bodies up to this size arrive as one array, in bytes. */
export const COLLECT_BYTES = 262_144;
/** Least and largest array of a body of unknown length that is put together, in bytes. */
export const COLLECT_STEP_MIN_BYTES = 4_096;
export const COLLECT_STEP_MAX_BYTES = 4_194_304;
/** Longest unused body that is read to keep the connection, in bytes. */
export const MAX_DRAIN_BYTES = 65_536;
/** Largest number of redirects; curl and browsers use 20 to 50, a registry needs one or two. */
export const MAX_REDIRECTS = 10;
/** Longest URL that a redirect may name, in bytes. */
export const MAX_LOCATION_BYTES = 8_192;
/** Longest page of an error status that is read for its message, in bytes. */
export const MAX_REFUSAL_BYTES = 65_536;
/** Bytes that a body stream buffers before it pauses the socket. */
export const BODY_HIGH_WATER_BYTES = 524_288;
/** Bytes below which a paused body stream resumes the socket. */
export const BODY_LOW_WATER_BYTES = 131_072;
/** Smaller pieces of a body stream are joined up to this size, in bytes. */
export const CRUMB_BUFFER_BYTES = 8_192;
/** Longest status line plus headers, and longest trailer section, of the general transport, in bytes. */
export const MAX_RESPONSE_HEAD_BYTES = 65_536;
/** Size of the pieces in which a request body is sent, in bytes; each piece is progress. */
export const SEND_PIECE_BYTES = 65_536;
