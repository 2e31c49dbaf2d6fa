import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { quietly } from '#base/errors';
import { openImage, walkImage } from '#formats/erofs';
import { decodeTag, type Repository } from '#stores/composefs';

/** How an image uses an object. */
export interface ObjectUse {
  /** A tag, or the name of another reference. */
  readonly image: string;
  /** A file of the image; undefined if the object is a part of the image itself. */
  readonly path: string | undefined;
  /** The name under which a stream refers to the object, if it is not a file: `config:sha256:…`, a diff id, `composefs.image…`. */
  readonly part: string | undefined;
}

/** Largest number of reported uses of one object. */
export const USES_MAX = 16;

const TAGS = 'oci/';
/** Labels of streams with a single object. */
const DOCUMENT = /^(?:manifest$|config:|blob:)/;

/**
 * Finds the images that use objects, and the files. It follows references as far as they can be read. It reads every image, so use it only
 * for a few damaged objects.
 */
export function findUses(
  repository: Repository,
  ids: ReadonlySet<ObjectId>,
): ReadonlyMap<ObjectId, readonly ObjectUse[]> {
  const search = new UseSearch(repository, ids);
  if (ids.size > 0) search.run();
  return search.uses;
}

class UseSearch {
  readonly uses = new Map<ObjectId, ObjectUse[]>();
  readonly #repository: Repository;
  readonly #ids: ReadonlySet<ObjectId>;
  /** Files by image id, so that an image with many names is read once. */
  readonly #files = new Map<
    ObjectId,
    readonly { readonly id: ObjectId; readonly path: string }[]
  >();

  constructor(repository: Repository, ids: ReadonlySet<ObjectId>) {
    this.#repository = repository;
    this.#ids = ids;
  }

  run(): void {
    const { refs } = this.#repository;
    for (const { name, id } of refs.list('streams')) {
      const isTag = name.startsWith(TAGS);
      const image = isTag ? decodeTag(name.slice(TAGS.length)) : name;
      if (id !== undefined) this.#walk(image, id, isTag ? 'manifest' : 'stream');
    }
    for (const { name, target } of refs.list('images')) {
      this.#visitImage(name, target as ObjectId, 'image');
    }
  }

  /** Follows all references of a stream. */
  #walk(image: string, root: ObjectId, label: string): void {
    const seen = new Set<ObjectId>();
    const pending: [id: ObjectId, part: string][] = [[root, label]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [id, part] = next;
      if (seen.has(id)) continue;
      seen.add(id);
      this.#note(id, { image, path: undefined, part });
      if (part.startsWith('composefs.image')) {
        this.#visitImage(image, id, part);
        continue;
      }
      quietly(() => {
        using opened = this.#repository.streams.open({ id });
        const { objectRefs, namedRefs } = opened.stream;
        // A document is one object; the files of a layer are found in the image.
        if (DOCUMENT.test(part) && objectRefs.length === 1)
          this.#note(objectRefs[0], { image, path: undefined, part });
        for (const [label, ref] of namedRefs) pending.push([ref, label]);
      });
    }
  }

  #visitImage(image: string, id: ObjectId, part: string): void {
    this.#note(id, { image, path: undefined, part });
    for (const file of this.#filesOf(id)) {
      this.#note(file.id, {
        image,
        path: displayText(`/${file.path}` as ByteString),
        part: undefined,
      });
    }
  }

  #filesOf(imageId: ObjectId) {
    const known = this.#files.get(imageId);
    if (known !== undefined) return known;
    const files: { id: ObjectId; path: string }[] = [];
    quietly(() => {
      using opened = this.#repository.images.open(imageId);
      const image = openImage(opened.object);
      for (const { inode, path } of walkImage(image)) {
        const id = inode.type === 'regular' ? image.objectOf(inode)?.id : undefined;
        if (id !== undefined && this.#ids.has(id)) files.push({ id, path });
      }
    });
    this.#files.set(imageId, files);
    return files;
  }

  #note(id: ObjectId | undefined, use: ObjectUse): void {
    if (id === undefined || !this.#ids.has(id)) return;
    const uses = this.uses.get(id) ?? [];
    this.uses.set(id, uses);
    const isKnown = uses.some(({ image, path }) => image === use.image && path === use.path);
    if (!isKnown && uses.length < USES_MAX) uses.push(use);
  }
}
