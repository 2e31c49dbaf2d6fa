/** First byte of a chunk. Source: containers/storage 1.65 and composefs-rs 0.9, splitdirfdstream v0. */
export const TAG = { structure: 0, inline: 1, file: 2 } as const;

/** Sizes of the fields, which are little-endian. */
export const FIELD = {
  tag: 1,
  literalLength: 4,
  fileSize: 8,
  directory: 4,
  nameLength: 4,
} as const;

/** Size of a chunk before its name or literal, in bytes. */
export const HEAD_BYTES = {
  literal: FIELD.tag + FIELD.literalLength,
  file: FIELD.tag + FIELD.fileSize + FIELD.directory + FIELD.nameLength,
} as const;

/** Maximum length of the literal of one chunk, in bytes. Source: containers/storage 1.65 and composefs-rs 0.9. */
export const LITERAL_BYTES_MAX = 256 * 2 ** 20;

/** Maximum length of a name, in bytes. Source: as above. */
export const NAME_BYTES_MAX = 4096;
