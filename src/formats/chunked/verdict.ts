import { FormatError, IntegrityError } from '#base/errors';

/** Why a layer with a TOC can only be taken whole. */
export type TocReason =
  /** The annotations are not written as they should be, or point outside the blob. */
  | 'annotation'
  /** There is no tar-split that the TOC vouches for, so the diff id could not be verified. */
  | 'no-tar-split'
  /** TOC or tar-split is longer than a limit. */
  | 'too-large'
  /** TOC or tar-split is not as long as its annotation says. */
  | 'length'
  | 'version'
  /** The TOC is not a JSON document of its form. */
  | 'json'
  /** A kind of entry or of chunk that this version does not know. */
  | 'kind'
  /** Two names are one once their bytes that are no UTF-8 are replaced. */
  | 'name'
  /** A header states a size, but no content follows. */
  | 'link-size'
  /** A file with holes in the PAX form: the blob holds another tar than the headers say. */
  | 'sparse';

/** A layer whose TOC cannot be used; its blob may be fine, so it is taken whole. */
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

/** What parsers throw inside this room for a TOC that is no lie, but of no use; it never leaves the room. */
export class UnusableToc extends Error {
  readonly verdict: TocUnusable;

  constructor(reason: TocReason, message: string) {
    super(message);
    this.verdict = unusable(reason, message);
  }
}

/** Runs `work`; a TOC of no use becomes a value. */
export async function verdictOf<T>(work: () => Promise<T>): Promise<T | TocUnusable> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UnusableToc) return error.verdict;
    throw error;
  }
}

/** Refuses a TOC whose chunk tables or paths no honest writer makes; `what` names the entry. */
export function failToc(what: string, reason: string): never {
  throw new FormatError('CHUNKED_TOC_INVALID', `Cannot use TOC of layer: ${what}: ${reason}`, {
    offset: 0,
    what,
    reason,
  });
}

/** Refuses a TOC that says other things than the tar: other readers of it would see another image. */
export function failMismatch(what: string, expected: string, found: string): never {
  throw new IntegrityError(
    'CHUNKED_TOC_MISMATCH',
    `Cannot trust TOC of layer: ${what}: expected ${expected} as in the tar, found ${found}`,
    { what, expected, found },
  );
}
