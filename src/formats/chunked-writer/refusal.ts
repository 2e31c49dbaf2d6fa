/** Why a layer is written as plain zstd, without a TOC that others could not use. */
export type PlainReason =
  /** A name, link target or attribute name that is not UTF-8 has no place in a TOC. */
  | 'name'
  /** Paths that are there twice, have `..`, or are below something that is no directory. */
  | 'path'
  /** A type of member that a TOC does not have. */
  | 'kind'
  /** A file with holes in the PAX form. */
  | 'sparse'
  /** A header that states a size without content. */
  | 'link-size'
  /** A time whose year does not have four digits. */
  | 'time'
  /** Something other than zero blocks follows the archive, or the tar is not cut in blocks. */
  | 'trailer'
  /** The bytes are no tar that could be read. */
  | 'tar'
  /** TOC or tar-split are longer than readers take. */
  | 'too-large';

/** What becomes of a layer that cannot have a TOC. */
export interface PlainLayer {
  readonly kind: 'plain';
  readonly reason: PlainReason;
  /** The end of a sentence that begins with "the layer is written without TOC: ". */
  readonly message: string;
}

/** States why a layer is plain. */
export function plainLayer(reason: PlainReason, message: string): PlainLayer {
  return { kind: 'plain', reason, message };
}
