/** Longest header section of a part, in bytes; two lines are usual. */
export const PART_HEAD_BYTES_MAX = 8_192;
/** Longest text before the first part and after the last one, in bytes. RFC 2046 allows both; no server sends more than a line break. */
export const EDGE_BYTES_MAX = 4_096;
/** Longest boundary, in bytes. RFC 2046, section 5.1.1 has 70. */
export const BOUNDARY_BYTES_MAX = 200;
/** Number of parts beyond the requested ones that are accepted: a server may split a range. */
export const SPARE_PARTS = 64;
