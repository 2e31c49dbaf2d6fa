/** Longest content of one frame. A longer chunk becomes several frames: a writer holds little memory, and threads compress in parallel. */
export const FRAME_BYTES_MAX = 4 * 2 ** 20;

/** Length of the tar-split that is compressed at once. */
export const TAR_SPLIT_FRAME_BYTES = 4 * 2 ** 20;
