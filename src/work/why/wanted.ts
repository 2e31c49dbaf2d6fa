import { displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import type { ViewEntry } from '#work/browse';

/** What is looked for in a store. */
export type Wanted =
  /** Everything whose id or digest begins so. */
  | { readonly kind: 'digits'; readonly algorithm: string | undefined; readonly digits: string }
  | { readonly kind: 'name'; readonly name: string }
  /** A file of the store itself, by its path below the store. */
  | { readonly kind: 'place'; readonly path: string }
  /** A file of an image or a commit of the repository: its object, or the image that contains its content. */
  | { readonly kind: 'entry'; readonly path: string; readonly holder: ObjectId };

/** Something that was found and asked about, by its key in the graph. */
export interface Found {
  readonly key: string;
  /** False for something that others refer to and that is missing. */
  readonly isStored: boolean;
}

/** What the search in a store works with. */
export interface Search {
  readonly wanted: Wanted;
  /** Notes something that could not be read: chains through it are not seen. */
  readonly warn: (problem: string) => void;
}

/** Fewest digits of the beginning of an id: a shorter one could be a mistyped name. */
const DIGITS_MIN = 4;
const DIGITS = /^@?(?:(sha256|sha512):)?([0-9a-f]+)$/;

/** A text as an id or digest, or the beginning of one; undefined for other texts. */
export function digitsIn(text: string): Extract<Wanted, { kind: 'digits' }> | undefined {
  const [, algorithm, digits = ''] = DIGITS.exec(text) ?? [];
  return digits.length < DIGITS_MIN ? undefined : { kind: 'digits', algorithm, digits };
}

/** True if a digest, written `sha256:…` or without its algorithm, begins as wanted. */
export function isLike(
  digest: string | undefined,
  { algorithm, digits }: Extract<Wanted, { kind: 'digits' }>,
): boolean {
  if (digest === undefined) return false;
  const [first = '', rest] = digest.split(':');
  if (rest === undefined) return algorithm === undefined && first.startsWith(digits);
  return (algorithm ?? first) === first && rest.startsWith(digits);
}

/** A file of an image as it is looked for. */
export function entryWanted(entry: ViewEntry, imageId: ObjectId): Wanted {
  return { kind: 'entry', path: displayText(entry.path), holder: entry.objectId ?? imageId };
}
