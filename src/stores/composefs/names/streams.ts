import type { ObjectId } from '#base/digest';
import { FormatError, IntegrityError, isOnecopyError, NotFoundError } from '#base/errors';
import { openSplitstream, readStreamSize, type Splitstream } from '#formats/splitstream';
import { syncfs } from '#host';
import { LINK_NAME, REFS } from '../layout.ts';
import type { ObjectStore, OpenObject } from '../objects/objects.ts';
import type { StoreContext } from '../repository/context.ts';
import { ensureLink, isLinkTo, readObjectLink, readSorted, repositoryPath } from './links.ts';
import { checkFileName, fileNameOf, splitRefName, textOf } from './names.ts';

/** Which stream to open: by name (`oci-layer-sha256:…`, or `refs/<ref>`), or by the id of its object. */
export type StreamAddress = string | { readonly id: ObjectId };

/** How to publish a stream. */
export interface PublishStreamOptions {
  /** Also points the named reference `streams/refs/<ref>` at the stream. */
  readonly ref?: string | undefined;
}

/** How to open a stream. */
export interface OpenStreamOptions {
  /** Refuses any other content type. */
  readonly contentType?: bigint | undefined;
}

/** An open splitstream with the object behind it. */
export interface OpenStream extends Disposable {
  readonly id: ObjectId;
  readonly object: OpenObject;
  readonly stream: Splitstream;
}

/** A stream whose body is one complete object, the form of stored OCI manifests, configs and blobs. */
export interface StreamDocument {
  readonly id: ObjectId;
  /** The object that holds the bytes. */
  readonly contentId: ObjectId;
  readonly bytes: Uint8Array;
  readonly namedRefs: ReadonlyMap<string, ObjectId>;
}

/** One name in `streams/`. `id` is undefined if the entry is not a link to an object. */
export interface StreamEntry {
  readonly name: string;
  readonly id: ObjectId | undefined;
}

/** The streams of an open repository: splitstream objects with a name. */
export class StreamStore {
  readonly #context: StoreContext;
  readonly #objects: ObjectStore;

  constructor(context: StoreContext, objects: ObjectStore) {
    this.#context = context;
    this.#objects = objects;
  }

  /** True when a stream has this name. */
  has(name: string): boolean {
    return this.idOf(name) !== undefined;
  }

  /**
   * The object of a name; undefined if the name does not exist. The object need not exist.
   * @throws IntegrityError REPO_ENTRY_INVALID if the entry is not a link to an object
   */
  idOf(name: string): ObjectId | undefined {
    checkFileName(name, 'stream');
    return this.#idAt(`streams/${fileNameOf(name)}`);
  }

  /** True if this name points to this object; also false if the entry is not a link to an object. */
  leadsTo(name: string, id: ObjectId): boolean {
    checkFileName(name, 'stream');
    return isLinkTo(this.#context.root, `streams/${fileNameOf(name)}`, id);
  }

  /**
   * Stores a finished splitstream, syncs the filesystem, creates the name (replacing an older stream of this name), and then the reference.
   * After a crash, the name is absent (or old), or everything that it refers to is on the disk.
   * @throws UnsupportedError REPO_READ_ONLY; FormatError REF_NAME_INVALID; HostError SYSCALL_FAILED, NO_SPACE
   */
  publish(name: string, content: Uint8Array, options: PublishStreamOptions = {}): ObjectId {
    checkNames(name, options.ref);
    const { id } = this.#objects.ensureBytes(content);
    this.#name(name, id, options.ref);
    return id;
  }

  /**
   * As `publish`, for a stored object.
   * @throws NotFoundError OBJECT_NOT_FOUND
   */
  register(name: string, id: ObjectId, options: PublishStreamOptions = {}): void {
    checkNames(name, options.ref);
    this.#context.ensureWritable();
    if (!this.#objects.has(id)) this.#objects.open(id)[Symbol.dispose]();
    this.#name(name, id, options.ref);
  }

  /**
   * Opens a stream; its object is verified first: by fs-verity, or by hashing if the kernel has no digest.
   * @throws NotFoundError STREAM_NOT_FOUND, OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH; FormatError of a bad splitstream
   */
  open(address: StreamAddress, options: OpenStreamOptions = {}): OpenStream {
    const id = typeof address === 'string' ? this.#resolve(address) : address.id;
    const object = this.#objects.open(id, { verify: 'content' });
    try {
      const { algorithm } = this.#context;
      const stream = openSplitstream(object, { algorithm, contentType: options.contentType });
      return { id, object, stream, [Symbol.dispose]: () => object[Symbol.dispose]() };
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Reads a stream whose body is exactly one complete object.
   * @throws FormatError STREAM_NOT_DOCUMENT when it is not, OBJECT_TOO_LARGE above `limitBytes`; as `open`
   */
  readDocument(
    address: StreamAddress,
    options: OpenStreamOptions & { readonly limitBytes: number },
  ): StreamDocument {
    using opened = this.open(address, options);
    const parts = opened.stream.parts();
    const first = parts.next();
    const isWhole = first.done !== true && first.value.kind === 'external' && parts.next().done;
    if (first.done === true || first.value.kind !== 'external' || isWhole !== true) {
      throw new FormatError(
        'STREAM_NOT_DOCUMENT',
        `Cannot read stream ${opened.id} as a document: expected one whole object as its body`,
        { offset: 0, what: 'splitstream body', id: opened.id },
      );
    }
    return {
      id: opened.id,
      contentId: first.value.id,
      bytes: this.#objects.read(first.value.id, options.limitBytes),
      namedRefs: opened.stream.namedRefs,
    };
  }

  /**
   * Size of the byte stream that a stored stream rebuilds, in bytes. Only the header is read, and it is not verified. Undefined when the
   * object is missing or its header is malformed.
   */
  sizeOf(id: ObjectId): number | undefined {
    try {
      using object = this.#objects.openUnverified(id);
      return readStreamSize(object, this.#context.algorithm);
    } catch (error) {
      if (isOnecopyError(error) && error.kind !== 'host') return undefined;
      throw error;
    }
  }

  /** All streams in byte order of their names. Names that are not UTF-8 (fsck reports them) and temporary links are omitted. */
  list(): StreamEntry[] {
    const { root, algorithm } = this.#context;
    const entries: StreamEntry[] = [];
    for (const entry of readSorted(root, 'streams')) {
      const name = entry.name === REFS ? undefined : textOf(entry.name);
      if (name === undefined || LINK_NAME.test(name)) continue;
      const link = readObjectLink(root, `streams/${entry.name}`, algorithm);
      entries.push({ name, id: link.kind === 'object' ? link.id : undefined });
    }
    return entries;
  }

  #resolve(name: string): ObjectId {
    const path = name.startsWith(`${REFS}/`) ? this.#streamOfRef(name) : name;
    const id = path === undefined ? undefined : this.idOf(path);
    if (id !== undefined) return id;
    throw new NotFoundError(
      'STREAM_NOT_FOUND',
      `Cannot open stream "${name}": the repository has no stream of this name`,
      { name },
    );
  }

  /** The stream that `refs/<ref>` points at. */
  #streamOfRef(name: string): string | undefined {
    splitRefName(name);
    const target = this.#context.root.readlink(`streams/${fileNameOf(name)}`);
    return target === undefined
      ? undefined
      : textOf(target.slice(target.lastIndexOf('/') + 1) as never);
  }

  #idAt(path: string): ObjectId | undefined {
    const link = readObjectLink(this.#context.root, path, this.#context.algorithm);
    if (link.kind === 'missing') return undefined;
    if (link.kind === 'object') return link.id;
    throw new IntegrityError(
      'REPO_ENTRY_INVALID',
      `Cannot follow ${path}: ${link.reason}`,
      { path },
      { hint: 'Run `onecopy fsck` to list all problems of the repository' },
    );
  }

  #name(name: string, id: ObjectId, ref: string | undefined): void {
    const { root } = this.#context;
    const path = `streams/${fileNameOf(name)}`;
    syncfs(root);
    ensureLink(root, path, repositoryPath(id));
    if (ref !== undefined) ensureLink(root, `streams/${REFS}/${fileNameOf(ref)}`, path);
  }
}

function checkNames(name: string, ref: string | undefined): void {
  checkFileName(name, 'stream');
  if (name === REFS) splitRefName('');
  if (ref !== undefined) splitRefName(ref);
}
