/** Longest content of one frame: a longer chunk is several frames, so that a writer holds little and many can compress. */
export const FRAME_BYTES_MAX = 4 * 2 ** 20;

/** Length of the tar-split that is compressed at a time. */
export const TAR_SPLIT_FRAME_BYTES = 4 * 2 ** 20;
