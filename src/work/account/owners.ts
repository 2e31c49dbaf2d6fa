/** What an owner of bytes is. */
export type OwnerKind =
  /** An OCI image or artifact. */
  | 'image'
  /** An OSTree commit with a ref, and the ancestors of it that are stored. */
  | 'commit'
  /** An EROFS image with a name of its own. */
  | 'erofs'
  /** A stream with a name of its own. */
  | 'stream'
  /** A mounted image. */
  | 'mount'
  /** A container: its layer, and those below. */
  | 'container'
  /** Objects and layers that no image or ref uses: a garbage collection of the store removes them. */
  | 'unreferenced'
  /** Records and directories of the store itself. */
  | 'records';

/** Something that bytes belong to. */
export interface Owner {
  /** Number of its store. */
  readonly store: number;
  readonly kind: OwnerKind;
  /** All names, at least one but for `unreferenced` and `records`. */
  readonly names: readonly string[];
  /** Manifest digest, image id, commit or layer id, as the store of it calls it. */
  readonly id: string | undefined;
}

/** The owners of all stores; an owner is its number. */
export class Owners {
  readonly list: Owner[] = [];

  add(owner: Owner): number {
    return this.list.push(owner) - 1;
  }
}
