import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { LINK_NAME, REFS } from '../layout.ts';
import type { StoreContext } from '../repository/context.ts';
import {
  baseNameOf,
  ensureLink,
  type RefCategory,
  readObjectLink,
  refuseLinksAbove,
  walkRefs,
} from './links.ts';
import { checkFileName, fileNameOf, splitRefName, textOf } from './names.ts';

/** A named reference: a root of garbage collection. */
export interface NamedRef {
  /** Name below `refs/`, without the requested prefix. */
  readonly name: string;
  /** Name of the target stream or image. */
  readonly target: string;
  /** The object of that name; undefined if the reference is dangling. */
  readonly id: ObjectId | undefined;
}

/** The named references of an open repository. */
export class RefStore {
  readonly #context: StoreContext;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  /**
   * All references below `<category>/refs/<prefix>`, in byte order. Names that are not UTF-8 are omitted, and so are temporary links, also
   * leftovers of crashed processes.
   */
  list(category: RefCategory, prefix = ''): NamedRef[] {
    if (prefix !== '') splitRefName(prefix);
    const start = prefix === '' ? 0 : fileNameOf(prefix).length + 1;
    const refs: NamedRef[] = [];
    for (const entry of walkRefs(this.#context.root, category, fileNameOf(prefix))) {
      const name = textOf(entry.name.slice(start) as ByteString);
      if (name === undefined || entry.target === undefined || isTemporary(name)) continue;
      const ref = this.#refOf(category, name, entry.target);
      if (ref !== undefined) refs.push(ref);
    }
    return refs;
  }

  /** As `list`, with the names that are not UTF-8: in their names, other characters stand for bytes that are no text. */
  listForDisplay(category: RefCategory): NamedRef[] {
    const refs: NamedRef[] = [];
    for (const { name, target } of walkRefs(this.#context.root, category)) {
      const base = target === undefined ? undefined : baseNameOf(target);
      if (base === undefined || isTemporary(name)) continue;
      refs.push({
        name: displayText(name),
        target: displayText(base),
        id: this.#idOf(category, base),
      });
    }
    return refs;
  }

  /** The reference of this name, or undefined. @throws FormatError REF_NAME_INVALID */
  resolve(category: RefCategory, name: string): NamedRef | undefined {
    splitRefName(name);
    const path = `${category}/${REFS}/${fileNameOf(name)}`;
    refuseLinksAbove(this.#context.root, path);
    if (this.#context.root.lstat(path)?.type !== 'symlink') return undefined;
    const target = this.#context.root.readlink(path);
    return target === undefined ? undefined : this.#refOf(category, name, target);
  }

  /**
   * Sets the target of a reference to a stream or image.
   * @throws NotFoundError STREAM_NOT_FOUND, IMAGE_NOT_FOUND if the target does not exist; FormatError REF_NAME_INVALID
   */
  set(category: RefCategory, name: string, target: string): void {
    splitRefName(name);
    checkFileName(target, 'target');
    this.#context.ensureWritable();
    const path = `${category}/${fileNameOf(target)}`;
    if (readObjectLink(this.#context.root, path, this.#context.algorithm).kind !== 'object') {
      throw new NotFoundError(
        category === 'streams' ? 'STREAM_NOT_FOUND' : 'IMAGE_NOT_FOUND',
        `Cannot point reference "${name}" at "${target}": the repository has no such ${category.slice(0, -1)}`,
        { name: target },
      );
    }
    ensureLink(this.#context.root, `${category}/${REFS}/${fileNameOf(name)}`, path);
  }

  /** Removes a reference; false if it did not exist. @throws FormatError REF_NAME_INVALID */
  remove(category: RefCategory, name: string): boolean {
    splitRefName(name);
    this.#context.ensureWritable();
    const path = `${category}/${REFS}/${fileNameOf(name)}`;
    refuseLinksAbove(this.#context.root, path);
    return this.#context.root.unlink(path);
  }

  /** Removes a folder of references where it is empty, and the one above it. */
  tidy(category: RefCategory, folder: string): void {
    splitRefName(folder);
    const { root } = this.#context;
    const parts = fileNameOf(folder).split('/');
    for (; parts.length > 0; parts.pop()) {
      if (!root.rmdirEmpty(`${category}/${REFS}/${parts.join('/')}`)) return;
    }
  }

  #refOf(category: RefCategory, name: string, link: ByteString): NamedRef | undefined {
    const base = baseNameOf(link);
    const target = base === undefined ? undefined : textOf(base);
    if (base === undefined || target === undefined) return undefined;
    return { name, target, id: this.#idOf(category, base) };
  }

  /** The object of a stream or an image; undefined if there is no such entry, or if it is damaged. */
  #idOf(category: RefCategory, base: ByteString): ObjectId | undefined {
    const { root, algorithm } = this.#context;
    const found = readObjectLink(root, `${category}/${base}`, algorithm);
    return found.kind === 'object' ? found.id : undefined;
  }
}

function isTemporary(name: string): boolean {
  return LINK_NAME.test(name.slice(name.lastIndexOf('/') + 1));
}
