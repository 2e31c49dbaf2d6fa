import type { ObjectId } from '#base/digest';
import { isOnecopyError, NotFoundError } from '#base/errors';
import { inTurns, type OperationOptions } from '#base/flow';
import { ALGORITHMS } from '#formats/fsverity';
import { tryMeasureVerity } from '#host';
import { IMAGE_BYTES_MAX, REFS } from '../layout.ts';
import { VerifiedMarks } from '../marks/verified.ts';
import { digestMismatch, type StagedObject } from '../objects/object-writer.ts';
import type { ObjectStore, OpenObject } from '../objects/objects.ts';
import { hashFileInSteps } from '../objects/verity.ts';
import type { StoreContext } from '../repository/context.ts';
import { ensureLink, isLinkTo, readObjectLink, readSorted, repositoryPath } from './links.ts';
import { splitRefName } from './names.ts';
import type { RefStore } from './refs.ts';

/** How to publish an image. */
export interface PublishImageOptions {
  /** Also points the named reference `images/refs/<ref>` at the image. */
  readonly ref?: string | undefined;
}

/** An open image. */
export interface OpenImage extends Disposable {
  readonly id: ObjectId;
  readonly object: OpenObject;
  /** True if overlayfs should require fs-verity for every file: only if the repository enforces it. */
  readonly wantVerity: boolean;
}

/** One image with the named references that point at it. */
export interface ImageEntry {
  readonly id: ObjectId;
  readonly refs: readonly string[];
}

/** The images of an open repository. Only images with a name here were built or imported on purpose and may be mounted. */
export class ImageStore {
  readonly #context: StoreContext;
  readonly #objects: ObjectStore;
  readonly #refs: RefStore;

  constructor(context: StoreContext, objects: ObjectStore, refs: RefStore) {
    this.#context = context;
    this.#objects = objects;
    this.#refs = refs;
  }

  /**
   * Stores an image and its name, and replaces the target of the reference. Nothing is synced: publish a stream that refers to the image
   * afterwards, or sync the repository.
   * @throws UnsupportedError REPO_READ_ONLY; FormatError REF_NAME_INVALID; HostError SYSCALL_FAILED, NO_SPACE
   */
  publish(bytes: Uint8Array, options: PublishImageOptions = {}): ObjectId {
    if (options.ref !== undefined) splitRefName(options.ref);
    const { id } = this.#objects.ensureBytes(bytes);
    ensureLink(this.#context.root, `images/${id}`, repositoryPath(id));
    if (options.ref !== undefined) this.#refs.set('images', options.ref, id);
    return id;
  }

  /** As `publish`, of a staged object whose id the caller has computed from its bytes. */
  publishStaged(staged: StagedObject, id: ObjectId): ObjectId {
    this.#objects.ensureStaged(staged, id);
    ensureLink(this.#context.root, `images/${id}`, repositoryPath(id));
    return id;
  }

  /** True when the repository has an image with this id. */
  has(id: ObjectId): boolean {
    return isLinkTo(this.#context.root, `images/${id}`, id);
  }

  /**
   * Opens an image by its id, by the name of a reference, or by `refs/<name>`. The content is verified against the id in all cases: by
   * fs-verity, or by hashing if the kernel has no digest.
   * @throws NotFoundError IMAGE_NOT_FOUND, OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH, VERITY_NOT_ENABLED
   */
  open(name: string): OpenImage {
    const id = this.resolve(name);
    const object = this.#objects.open(id, { verify: 'content' });
    const { insecure, algorithm } = this.#context;
    const wantVerity = !insecure && tryMeasureVerity(object, algorithm) !== undefined;
    return { id, object, wantVerity, [Symbol.dispose]: () => object[Symbol.dispose]() };
  }

  /**
   * As `open`, but unchanged content that was verified before is not hashed again, for reading single paths. If the kernel verifies, its
   * digest is used; a suspect image is hashed.
   * @throws as `open`; the signal's reason
   */
  async openVerifiedOnce(
    name: string,
    options: Pick<OperationOptions, 'signal'> = {},
  ): Promise<OpenImage> {
    const id = this.resolve(name);
    const { insecure, algorithm, suspects, root } = this.#context;
    const object = this.#objects.open(id);
    try {
      const isMeasured = tryMeasureVerity(object, algorithm) !== undefined;
      const marked = suspects.read();
      const isSuspect = marked === 'all' || marked.ids.has(id);
      const marks = new VerifiedMarks(root);
      if (!isMeasured && (isSuspect || !marks.has(id, object))) {
        const startedMs = Date.now();
        const found = await inTurns(hashFileInSteps(object, algorithm), options);
        if (found !== id) throw digestMismatch(id, found);
        marks.add(id, object, startedMs);
      }
      const wantVerity = !insecure && isMeasured;
      return { id, object, wantVerity, [Symbol.dispose]: () => object[Symbol.dispose]() };
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  /** The whole image, verified; see `open`. @throws FormatError OBJECT_TOO_LARGE above 1 GiB */
  read(name: string): { readonly id: ObjectId; readonly bytes: Uint8Array } {
    const id = this.resolve(name);
    return { id, bytes: this.#objects.read(id, IMAGE_BYTES_MAX) };
  }

  /** The id behind a name; see `open` for what a name may be. @throws NotFoundError IMAGE_NOT_FOUND */
  resolve(name: string): ObjectId {
    const id = this.#resolve(name);
    if (id !== undefined) return id;
    throw new NotFoundError(
      'IMAGE_NOT_FOUND',
      `Cannot open image "${name}": the repository has no image of this name or id`,
      { name },
      { hint: 'List all images with: onecopy images' },
    );
  }

  /** All images in order of ids. */
  list(): ImageEntry[] {
    const refsById = new Map<string, string[]>();
    for (const ref of this.#refs.list('images')) {
      const names = refsById.get(ref.target) ?? [];
      names.push(ref.name);
      refsById.set(ref.target, names);
    }
    const entries: ImageEntry[] = [];
    for (const entry of readSorted(this.#context.root, 'images')) {
      const id = entry.name === REFS ? undefined : this.#idOf(entry.name);
      if (id !== undefined) entries.push({ id, refs: refsById.get(entry.name) ?? [] });
    }
    return entries;
  }

  #resolve(name: string): ObjectId | undefined {
    const hexLength = ALGORITHMS[this.#context.algorithm].digestBytes * 2;
    if (name.length === hexLength && /^[0-9a-f]+$/.test(name)) {
      const id = this.#idOf(name);
      if (id !== undefined) return id;
    }
    try {
      return this.#refs.resolve('images', name.replace(/^refs\//, ''))?.id;
    } catch (error) {
      // A name that is invalid for a reference does not exist.
      if (isOnecopyError(error) && error.code === 'REF_NAME_INVALID') return undefined;
      throw error;
    }
  }

  /** The id of `images/<name>`, which must point to the object with that id. */
  #idOf(name: string): ObjectId | undefined {
    const { root, algorithm } = this.#context;
    const link = readObjectLink(root, `images/${name}`, algorithm);
    return link.kind === 'object' && link.id === name ? link.id : undefined;
  }
}
