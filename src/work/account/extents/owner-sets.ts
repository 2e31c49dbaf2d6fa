import { UnsupportedError } from '#base/errors';

/** Most owners, and most different sets of owners. */
export const OWNERS_MAX = 1 << 20;
export const SETS_MAX = 1 << 26;

/**
 * Sets of owners, each kept once: a set is a number, and 0 is the empty set. An owner is a number from 0. Sets form a tree: a set is its
 * parent and one more owner, with a greater number than all of the parent's.
 */
export class OwnerSets {
  readonly #parents = [0];
  readonly #lasts = [-1];
  readonly #children = new Map<number, number>();
  readonly #unions = new Map<number, number>();

  /** Number of sets; the numbers of sets are below. */
  get count(): number {
    return this.#parents.length;
  }

  /** The set with one more owner. @throws UnsupportedError ACCOUNT_TOO_LARGE */
  add(set: number, owner: number): number {
    const last = this.#lasts[set] as number;
    if (last === owner) return set;
    return last < owner ? this.#child(set, owner) : this.union(set, this.#child(0, owner));
  }

  /** The set of the owners of both. @throws UnsupportedError ACCOUNT_TOO_LARGE */
  union(one: number, other: number): number {
    if (one === other || other === 0) return one;
    if (one === 0) return other;
    const key = Math.min(one, other) * SETS_MAX + Math.max(one, other);
    const known = this.#unions.get(key);
    if (known !== undefined) return known;
    const owners = new Set([...this.members(one), ...this.members(other)]);
    let set = 0;
    for (const owner of [...owners].sort((a, b) => a - b)) set = this.#child(set, owner);
    this.#unions.set(key, set);
    return set;
  }

  /** The owners of a set, in no order. */
  members(set: number): number[] {
    const owners: number[] = [];
    for (let at = set; at !== 0; at = this.#parents[at] as number) {
      owners.push(this.#lasts[at] as number);
    }
    return owners;
  }

  #child(set: number, owner: number): number {
    const key = set * OWNERS_MAX + owner;
    const known = this.#children.get(key);
    if (known !== undefined) return known;
    const added = this.#parents.length;
    if (owner >= OWNERS_MAX) throw tooLarge('names', OWNERS_MAX);
    if (added >= SETS_MAX) throw tooLarge('sets of names', SETS_MAX);
    this.#parents.push(set);
    this.#lasts.push(owner);
    this.#children.set(key, added);
    return added;
  }
}

/** The error for stores that have more of something than a limit. */
export function tooLarge(what: string, limit: number): UnsupportedError {
  return new UnsupportedError(
    'ACCOUNT_TOO_LARGE',
    `Cannot account for the stores: expected at most ${limit} ${what}, found more`,
    { what, expected: limit },
    { hint: 'Account for fewer stores at a time: onecopy df --store PATH' },
  );
}
