import type { Dir } from '#host';
import type { OwnerSets } from '../extents/owner-sets.ts';
import type { Walker } from '../extents/walker.ts';
import type { Owners } from '../owners.ts';

/** What a survey of a store works with. */
export interface Surveying {
  /** Number of the store. */
  readonly store: number;
  readonly owners: Owners;
  readonly sets: OwnerSets;
  readonly walker: Walker;
  /** Notes something of the store that could not be read, so that its bytes count as unreferenced. */
  readonly warn: (text: string) => void;
}

/** The sets of the bytes that no image owns. */
export function ownSets({ store, owners, sets }: Surveying): {
  readonly unreferenced: number;
  readonly records: number;
} {
  const add = (kind: 'unreferenced' | 'records') => {
    return sets.add(0, owners.add({ store, kind, names: [], id: undefined }));
  };
  return { unreferenced: add('unreferenced'), records: add('records') };
}

/** Gathers the files of a repository: the directory `objects` by `walkObjects`, all others for the store. */
export function walkRepository(
  root: Dir,
  { walker }: Surveying,
  records: number,
  walkObjects: (objects: Dir) => void,
): void {
  // Opened again: others may have read entries through this descriptor.
  using dir = root.openDir('.');
  walkNamed(
    dir,
    walker,
    () => records,
    (name, child) => {
      if (name === 'objects') walkObjects(child);
      else walker.tree(child, records);
    },
  );
}

/** Counts the files of a directory, and then visits its directories. */
export function walkNamed(
  dir: Dir,
  walker: Walker,
  setOf: (file: string) => number,
  visit: (name: string, child: Dir) => void,
): void {
  walker.enter(dir, setOf(''));
  const below: string[] = [];
  dir.visitEntries((bytes, start, end, type, inode) => {
    const name = bytes.toString('latin1', start, end);
    if (type === 'directory') below.push(name);
    else walker.file(dir, { bytes, start, end, type, inode }, setOf(name));
  });
  for (const name of below) {
    using child = walker.open(dir, name);
    if (child !== undefined) visit(name, child);
  }
}

/** The sets of things that have numbers, from 0, where most have a few owners. */
export class SetColumn {
  #sets = new Uint32Array(1024);
  /** The owner that was added last to each, plus one. */
  #lasts = new Uint32Array(1024);

  /** Adds an owner; false if it was the last one added. */
  add(index: number, owner: number, sets: OwnerSets): boolean {
    while (index >= this.#sets.length) this.#grow();
    if (this.#lasts[index] === owner + 1) return false;
    this.#lasts[index] = owner + 1;
    this.#sets[index] = sets.add(this.#sets[index] as number, owner);
    return true;
  }

  /** The set; 0 if nothing was added. */
  at(index: number): number {
    return this.#sets[index] ?? 0;
  }

  #grow(): void {
    const grown = (column: Uint32Array<ArrayBuffer>) => {
      const next = new Uint32Array(column.length * 2);
      next.set(column);
      return next;
    };
    this.#sets = grown(this.#sets);
    this.#lasts = grown(this.#lasts);
  }
}
