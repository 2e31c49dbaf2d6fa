import { FormatError, IntegrityError } from '#base/errors';

/** Why a layer with a TOC can only be pulled as a whole blob. */
export type TocReason =
  /** The annotations are malformed, or point outside the blob. */
  | 'annotation'
  /** The TOC names no tar-split, so the diff id could not be verified. */
  | 'no-tar-split'
  /** TOC or tar-split is longer than a limit. */
  | 'too-large'
  /** TOC or tar-split differs in length from its annotation. */
  | 'length'
  | 'version'
  /** The TOC is not JSON, or not of the expected form. */
  | 'json'
  /** This version does not know a kind of entry or of chunk. */
  | 'kind'
  /** Two names become equal when their invalid UTF-8 is replaced. */
  | 'name'
  /** A header states a size, but no content follows. */
  | 'link-size'
  /** A sparse file in the PAX form: the tar in the blob differs from its headers. */
  | 'sparse';

/** A layer with an unusable TOC; its blob may be valid, so the whole blob is pulled. */
export interface TocUnusable {
  readonly kind: 'unusable';
  readonly reason: TocReason;
  /** The end of a sentence that begins with "the TOC cannot be used: ". */
  readonly message: string;
}

/** States why a TOC cannot be used. */
export function unusable(reason: TocReason, message: string): TocUnusable {
  return { kind: 'unusable', reason, message };
}

/** Thrown by parsers for a TOC that is unusable but not untruthful; never leaves this module. */
export class UnusableToc extends Error {
  readonly verdict: TocUnusable;

  constructor(reason: TocReason, message: string) {
    super(message);
    this.verdict = unusable(reason, message);
  }
}

/** Runs `work`; an unusable TOC becomes a value. */
export async function verdictOf<T>(work: () => Promise<T>): Promise<T | TocUnusable> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UnusableToc) return error.verdict;
    throw error;
  }
}

/** Rejects a TOC with chunk tables or paths that no honest writer produces; `what` names the entry. */
export function failToc(what: string, reason: string): never {
  throw new FormatError('CHUNKED_TOC_INVALID', `Cannot use TOC of layer: ${what}: ${reason}`, {
    offset: 0,
    what,
    reason,
  });
}

/** Rejects a TOC that disagrees with the tar: readers of the TOC would see another image. */
export function failMismatch(what: string, expected: string, found: string): never {
  throw new IntegrityError(
    'CHUNKED_TOC_MISMATCH',
    `Cannot trust TOC of layer: ${what}: expected ${expected} as in the tar, found ${found}`,
    { what, expected, found },
  );
}
