/**
 * Every error code of the project: what it means, which class carries it, and the keys its details always hold.
 * Codes are permanent, sentences may improve; match on `code`, never on `message`. Sorted by name (a test holds it so).
 */

/** The caller's possible move, one per error class; see `classes.ts`. */
export type ErrorKind =
  | 'not-found'
  | 'conflict'
  | 'integrity'
  | 'format'
  | 'unsupported'
  | 'busy'
  | 'transport'
  | 'host';

/** One row of the registry. `exit` overrides the exit status of the class (cli: 12 not authorised, 14 no space). */
export interface CodeEntry {
  readonly kind: ErrorKind;
  readonly meaning: string;
  readonly keys: readonly string[];
  readonly exit?: number;
}

/** The registry. Format errors always carry `offset` (bytes from the start of `what`) and `what`. */
export const ERROR_CODES = {
  BLOB_DIGEST_MISMATCH: {
    kind: 'integrity',
    meaning: 'The bytes of a blob do not hash to the digest of its descriptor',
    keys: ['expected', 'found'],
  },
  BLOB_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A blob that a manifest or index names is not in the source',
    keys: ['digest'],
  },
  BLOB_SIZE_MISMATCH: {
    kind: 'integrity',
    meaning: 'A blob is longer or shorter than its descriptor says',
    keys: ['expected', 'found'],
  },
  BYTES_OUT_OF_RANGE: {
    kind: 'format',
    meaning: 'A field, length or offset points outside the bytes at hand',
    keys: ['offset', 'what'],
  },
  DIFF_ID_MISMATCH: {
    kind: 'integrity',
    meaning: 'An uncompressed layer does not hash to the diff id of the image config',
    keys: ['expected', 'found'],
  },
  DIGEST_INVALID: {
    kind: 'format',
    meaning: 'A digest or object id is not written as its algorithm demands',
    keys: ['offset', 'what'],
  },
  NO_SPACE: {
    kind: 'host',
    meaning: 'The filesystem has no room (or no quota) left for what must be written',
    keys: ['errno', 'syscall', 'target'],
    exit: 14,
  },
  NUMBER_UNSAFE: {
    kind: 'format',
    meaning: 'A size or offset is larger than 2^53 - 1 and cannot be handled exactly',
    keys: ['offset', 'what'],
  },
  SYSCALL_FAILED: {
    kind: 'host',
    meaning: 'A system call failed; errno, syscall and target say which',
    keys: ['errno', 'syscall', 'target'],
  },
} as const satisfies Record<string, CodeEntry>;

/** A permanent error code. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The codes that a class with this kind may carry. */
export type CodeOf<K extends ErrorKind> = {
  [C in ErrorCode]: (typeof ERROR_CODES)[C]['kind'] extends K ? C : never;
}[ErrorCode];

/** A value that survives `JSON.stringify` unchanged. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Details of an error with code `C`: the keys of its row at least, more are welcome. */
export type DetailsOf<C extends ErrorCode> = {
  readonly [K in (typeof ERROR_CODES)[C]['keys'][number]]: JsonValue;
} & { readonly [key: string]: JsonValue };
