/** Why a layer is written as plain zstd: its TOC would be unusable. */
export type PlainReason =
  /** A name, link target or attribute name is not UTF-8, which a TOC cannot hold. */
  | 'name'
  /** A path occurs twice, contains `..`, or is below a member that is not a directory. */
  | 'path'
  /** A member of a type that a TOC cannot hold. */
  | 'kind'
  /** A sparse file in the PAX form. */
  | 'sparse'
  /** A header states a size without content. */
  | 'link-size'
  /** A time whose year does not have four digits. */
  | 'time'
  /** Bytes other than zero blocks follow the archive, or the tar is not made of whole blocks. */
  | 'trailer'
  /** The bytes are not a readable tar. */
  | 'tar'
  /** TOC or tar-split are longer than readers accept. */
  | 'too-large';

/** A layer that cannot have a TOC. */
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
