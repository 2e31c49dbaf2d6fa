import { parseHex } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { parseCommit, parseDirtree } from '#formats/ostree';
import type { Dir } from '#host';
import { FAN_OUT, ObjectSet } from '#stores/composefs';
import { type OstreeRef, type OstreeRepo, openOstreeRepo } from '#stores/ostree';
import { ownSets, SetColumn, type Surveying, walkRepository } from './survey.ts';

const CHECKSUM_BYTES = 32;
/** `<62 digits>.<kind>` in a directory of two digits. */
const OBJECT_NAME = /^([0-9a-f]{62})\.[a-z-]+$/;

/** Finds the owners of the objects of an OSTree repository, and gathers its files. @throws as `openOstreeRepo` */
export async function surveyOstree(path: string, surveying: Surveying): Promise<void> {
  using repo = openOstreeRepo(path);
  using _lock = await repo.lockForReading().catch((error: unknown) => {
    // A user who may not open the lock may read all the same.
    if (!isOnecopyError(error) || error.kind !== 'host') throw error;
    return undefined;
  });
  const reach = new Reach(repo, surveying);
  const commits = new Map<OstreeChecksum, string[]>();
  const onBroken = ({ path: broken }: { path: string }) => {
    surveying.warn(`"${repo.root.displayPath(broken)}" is no ref`);
  };
  for (const ref of repo.refs.list(onBroken)) {
    commits.set(ref.checksum, [...(commits.get(ref.checksum) ?? []), nameOfRef(ref)]);
  }
  for (const [commit, names] of commits) reach.mark(commit, names);
  reach.walk();
}

/** As `ostree refs` prints it. */
export function nameOfRef({ space, name }: OstreeRef): string {
  if (space.kind === 'heads') return name;
  return space.kind === 'remote' ? `${space.remote}:${name}` : `${space.collection}:${name}`;
}

/** Which objects which commits reach. */
class Reach {
  readonly #repo: OstreeRepo;
  readonly #surveying: Surveying;
  readonly #ids = new ObjectSet(CHECKSUM_BYTES);
  readonly #sets = new SetColumn();
  /** What a dirtree lists: numbers of its objects, and its directories. */
  readonly #trees = new Map<
    OstreeChecksum,
    { readonly objects: Uint32Array; readonly trees: readonly OstreeChecksum[] }
  >();
  readonly #words = new Uint32Array(CHECKSUM_BYTES / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  constructor(repo: OstreeRepo, surveying: Surveying) {
    this.#repo = repo;
    this.#surveying = surveying;
  }

  /** Marks a commit and the ancestors of it that are here. */
  mark(commit: OstreeChecksum, names: readonly string[]): void {
    const { owners, store, warn } = this.#surveying;
    const owner = owners.add({ store, kind: 'commit', names, id: commit });
    try {
      for (let at: OstreeChecksum | undefined = commit; at !== undefined; ) {
        const bytes = this.#repo.readMetadata('commit', at);
        if (bytes === undefined || !this.#add(at, owner)) return;
        const { rootTree, rootMeta, parent } = parseCommit(bytes);
        this.#add(rootMeta, owner);
        this.#markTree(rootTree, owner);
        at = parent;
      }
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      warn(`Commit ${commit} of "${names[0]}" cannot be read whole: ${error.message}`);
    }
  }

  #markTree(root: OstreeChecksum, owner: number): void {
    const { sets } = this.#surveying;
    const pending = [root];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (!this.#add(next, owner)) continue;
      const { objects, trees } = this.#treeOf(next);
      for (const index of objects) this.#sets.add(index, owner, sets);
      pending.push(...trees);
    }
  }

  #treeOf(checksum: OstreeChecksum) {
    const known = this.#trees.get(checksum);
    if (known !== undefined) return known;
    // A commit that was pulled in part lacks some.
    const bytes = this.#repo.readMetadata('dirtree', checksum);
    const parsed = bytes === undefined ? undefined : parseDirtree(bytes);
    const files = parsed?.files ?? [];
    const directories = parsed?.directories ?? [];
    const objects = [...files.map((one) => one.checksum), ...directories.map((one) => one.meta)];
    const read = {
      objects: Uint32Array.from(objects, (one) => this.#indexOf(one)),
      trees: directories.map((one) => one.tree),
    };
    this.#trees.set(checksum, read);
    return read;
  }

  #add(checksum: OstreeChecksum, owner: number): boolean {
    return this.#sets.add(this.#indexOf(checksum), owner, this.#surveying.sets);
  }

  #indexOf(checksum: OstreeChecksum): number {
    this.#bytes.set(parseHex(checksum, CHECKSUM_BYTES));
    return this.#ids.addWords(this.#words, 0);
  }

  /** Gathers all files: objects for their owners, the rest for the store. */
  walk(): void {
    const { unreferenced, records } = ownSets(this.#surveying);
    walkRepository(this.#repo.root, this.#surveying, records, (objects) => {
      this.#walkObjects(objects, unreferenced, records);
    });
  }

  #walkObjects(objects: Dir, unreferenced: number, records: number): void {
    const { walker } = this.#surveying;
    walker.enter(objects, records);
    for (const fanOut of FAN_OUT) {
      using dir = walker.open(objects, fanOut);
      if (dir === undefined) continue;
      walker.enter(dir, records);
      dir.visitEntries((bytes, start, end, type, inode) => {
        const digits = OBJECT_NAME.exec(bytes.toString('latin1', start, end))?.[1];
        const set = digits === undefined ? records : this.#setOf(fanOut + digits);
        walker.file(dir, { bytes, start, end, type, inode }, set || unreferenced);
      });
    }
  }

  #setOf(digits: string): number {
    this.#bytes.set(parseHex(digits, CHECKSUM_BYTES));
    const index = this.#ids.indexOfWords(this.#words, 0);
    return index < 0 ? 0 : this.#sets.at(index);
  }
}
