/** Bodies up to this size arrive as one array, in bytes. */
export const COLLECT_BYTES = 262_144;
/** Body of an answer that nobody wants, up to which it is read to keep the connection, in bytes. */
export const MAX_DRAIN_BYTES = 65_536;
/** Redirects followed before giving up; curl and browsers use 20 to 50, an object store needs one. */
export const MAX_REDIRECTS = 8;
