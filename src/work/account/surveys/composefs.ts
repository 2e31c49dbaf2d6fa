import { isContentDigest, type ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { scanPieces } from '#formats/erofs';
import { ALGORITHMS } from '#formats/fsverity';
import { decodeStreamRef } from '#formats/ostree';
import { openSplitstream } from '#formats/splitstream';
import type { Dir } from '#host';
import {
  decodeTag,
  FAN_OUT,
  kindOf,
  MANIFEST_STREAM_PREFIX,
  ObjectNameDecoder,
  ObjectSet,
  openRepository,
  type Repository,
} from '#stores/composefs';
import { listMounts } from '#work/mount';
import type { OwnerKind } from '../owners.ts';
import { ownSets, SetColumn, type Surveying, walkRepository } from './survey.ts';

/** What an object refers to. */
interface Links {
  /** Numbers of objects. */
  readonly objects: Uint32Array;
  /** Objects that are read, too. */
  readonly streams: readonly ObjectId[];
}

/** A name, or several of one object. */
interface Root {
  readonly kind: OwnerKind;
  readonly names: string[];
  readonly id: string | undefined;
  readonly objects: ObjectId[];
}

const TAG_PREFIX = 'oci/';
const COMMIT_PREFIX = 'ostree-commit-';
const REFERRER = /^oci-referrers\/([^/]+)\//;

/** Finds the owners of the objects of a composefs repository, and gathers its files. @throws as `openRepository` */
export async function surveyComposefs(path: string, surveying: Surveying): Promise<void> {
  using repository = await openRepository(path, {});
  const reach = new Reach(repository, surveying);
  for (const root of rootsOf(repository)) reach.mark(root);
  reach.walk();
}

/** Every name, those of one object together; attachments count for the image that they are attached to. */
function rootsOf(repository: Repository): readonly Root[] {
  const roots = new Map<ObjectId, Root>();
  const attached: [subject: string, id: ObjectId][] = [];
  const add = (id: ObjectId, name: string, kind: OwnerKind, shown: string | undefined) => {
    const root = roots.get(id) ?? { kind, names: [], id: shown, objects: [id] };
    root.names.push(name);
    roots.set(id, root);
  };
  for (const { name, target, id } of repository.refs.list('streams')) {
    if (id === undefined) continue;
    const subject = REFERRER.exec(name)?.[1];
    if (subject !== undefined) attached.push([decodeTag(subject), id]);
    else if (name.startsWith(TAG_PREFIX)) {
      const digest = target.slice(MANIFEST_STREAM_PREFIX.length);
      const shown = isContentDigest(digest) ? digest : undefined;
      add(id, decodeTag(name.slice(TAG_PREFIX.length)), 'image', shown);
    } else if (target.startsWith(COMMIT_PREFIX)) {
      const shown = target.slice(COMMIT_PREFIX.length);
      add(id, decodeStreamRef(name.replace(/^ostree\//, '')), 'commit', shown);
    } else add(id, name, 'stream', target);
  }
  for (const { name, id } of repository.refs.list('images')) {
    if (id !== undefined) add(id, `refs/${name}`, 'erofs', id);
  }
  for (const { target, imageId } of listMounts()) {
    if (imageId === undefined || !repository.objects.has(imageId)) continue;
    if (!roots.has(imageId)) add(imageId, target, 'mount', imageId);
  }
  for (const [subject, id] of attached) {
    const root = [...roots.values()].find((one) => one.id === subject);
    root?.objects.push(id);
  }
  return [...roots.values()];
}

/** Which objects which names reach. Nothing is verified: a damaged object is noted, and what only it refers to counts as unreferenced. */
class Reach {
  readonly #repository: Repository;
  readonly #surveying: Surveying;
  readonly #ids: ObjectSet;
  readonly #sets = new SetColumn();
  readonly #links = new Map<ObjectId, Links>();
  readonly #digestBytes: number;

  constructor(repository: Repository, surveying: Surveying) {
    this.#repository = repository;
    this.#surveying = surveying;
    this.#digestBytes = ALGORITHMS[repository.algorithm].digestBytes;
    this.#ids = new ObjectSet(this.#digestBytes);
  }

  mark({ objects, kind, names, id }: Root): void {
    const { owners, sets, store } = this.#surveying;
    const owner = owners.add({ store, kind, names, id });
    const pending = [...objects];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      this.#ids.add(next);
      if (!this.#sets.add(this.#ids.indexOf(next), owner, sets)) continue;
      const links = this.#linksOf(next, names[0] ?? '');
      for (const index of links.objects) this.#sets.add(index, owner, sets);
      pending.push(...links.streams);
    }
  }

  #linksOf(id: ObjectId, name: string): Links {
    const known = this.#links.get(id);
    if (known !== undefined) return known;
    let links: Links = { objects: new Uint32Array(0), streams: [] };
    try {
      links = this.#read(id);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      this.#surveying.warn(`Object ${id} of "${name}" cannot be read: ${error.message}`);
    }
    this.#links.set(id, links);
    return links;
  }

  #read(id: ObjectId): Links {
    const { objects, algorithm } = this.#repository;
    using object = objects.openUnverified(id);
    const kind = kindOf(object);
    if (kind === 'other') return { objects: new Uint32Array(0), streams: [] };
    if (kind === 'stream') {
      const { objectDigests, streamRefs } = openSplitstream(object, { algorithm });
      const { buffer, byteOffset, length } = objectDigests;
      const words = new Uint32Array(buffer, byteOffset, length / 4);
      const indexes = new Uint32Array(length / this.#digestBytes);
      for (let index = 0; index < indexes.length; index += 1) {
        indexes[index] = this.#ids.addWords(words, (index * this.#digestBytes) / 4);
      }
      return { objects: indexes, streams: streamRefs };
    }
    const found = new Set<number>();
    const add = (words: Uint32Array, at: number) => found.add(this.#ids.addWords(words, at));
    for (const _ of scanPieces(object, object.sizeBytes, this.#digestBytes, add));
    return { objects: Uint32Array.from(found), streams: [] };
  }

  /** Gathers all files: objects for their owners, the rest for the store. */
  walk(): void {
    const { unreferenced, records } = ownSets(this.#surveying);
    walkRepository(this.#repository.root, this.#surveying, records, (objects) => {
      this.#walkObjects(objects, unreferenced, records);
    });
  }

  #walkObjects(objects: Dir, unreferenced: number, records: number): void {
    const { walker } = this.#surveying;
    const decoder = new ObjectNameDecoder(this.#digestBytes);
    walker.enter(objects, records);
    for (const [number, fanOut] of FAN_OUT.entries()) {
      using dir = walker.open(objects, fanOut);
      if (dir === undefined) continue;
      walker.enter(dir, records);
      dir.visitEntries((bytes, start, end, type, inode) => {
        const isObject = decoder.decode(number, bytes, start, end);
        const index = isObject ? this.#ids.indexOfWords(decoder.words, 0) : -1;
        const set = index < 0 ? unreferenced : this.#sets.at(index) || unreferenced;
        walker.file(dir, { bytes, start, end, type, inode }, set);
      });
    }
  }
}
