import { type ContentDigest, isContentDigest, type ObjectId } from '#base/digest';
import { checkTagName, decodeTag, encodeTag } from './names.ts';
import type { RefStore } from './refs.ts';

/** Directory of OCI tags below `streams/refs/`. Source: composefs-rs 0.9 composefs-oci. */
const TAGS = 'oci';
/** Prefix of the stream name of an OCI manifest; its content digest follows. Source: composefs-rs 0.9 composefs-oci. */
export const MANIFEST_STREAM_PREFIX = 'oci-manifest-';
/** Prefix of the stream name of an image index; its content digest follows. Source: composefs-rs, plan of images for several platforms. */
export const INDEX_STREAM_PREFIX = 'oci-index-';

/** An OCI tag. */
export interface Tag {
  readonly name: string;
  readonly manifestDigest: ContentDigest;
  /** The splitstream of the manifest; undefined if the tag is dangling. */
  readonly id: ObjectId | undefined;
}

/** An OCI tag of an image index. */
export interface IndexTag {
  readonly name: string;
  readonly indexDigest: ContentDigest;
  /** The splitstream of the index; undefined if the tag is dangling. */
  readonly id: ObjectId | undefined;
}

/**
 * The OCI tags of an open repository. A tag is the named reference `streams/refs/oci/<name>`, slashes escaped. It points to the stream of a
 * manifest by name, so it remains valid when that stream is rewritten.
 */
export class TagStore {
  readonly #refs: RefStore;

  constructor(refs: RefStore) {
    this.#refs = refs;
  }

  /** All tags of manifests in byte order of their file names; other links are omitted (fsck reports those that point nowhere). */
  list(): Tag[] {
    const tags: Tag[] = [];
    for (const ref of this.#refs.list('streams', TAGS)) {
      const manifestDigest = digestIn(ref.target, MANIFEST_STREAM_PREFIX);
      if (manifestDigest === undefined || ref.name.includes('/')) continue;
      tags.push({ name: decodeTag(ref.name), manifestDigest, id: ref.id });
    }
    return tags;
  }

  /** All tags of image indexes, in the same order. composefs-rs ignores them, but keeps what they lead to. */
  listIndexes(): IndexTag[] {
    const tags: IndexTag[] = [];
    for (const ref of this.#refs.list('streams', TAGS)) {
      const indexDigest = digestIn(ref.target, INDEX_STREAM_PREFIX);
      if (indexDigest === undefined || ref.name.includes('/')) continue;
      tags.push({ name: decodeTag(ref.name), indexDigest, id: ref.id });
    }
    return tags;
  }

  /** The tag of a manifest with this name, dangling or not; undefined when there is none. @throws FormatError REF_NAME_INVALID */
  resolve(name: string): Tag | undefined {
    const found = this.#resolve(name, MANIFEST_STREAM_PREFIX);
    return found && { name, manifestDigest: found.digest, id: found.id };
  }

  /** As `resolve`, for the tag of an index. @throws FormatError REF_NAME_INVALID */
  resolveIndex(name: string): IndexTag | undefined {
    const found = this.#resolve(name, INDEX_STREAM_PREFIX);
    return found && { name, indexDigest: found.digest, id: found.id };
  }

  /**
   * Sets the target of a tag to a stored manifest.
   * @throws NotFoundError STREAM_NOT_FOUND; FormatError REF_NAME_INVALID; UnsupportedError REPO_READ_ONLY
   */
  set(name: string, manifestDigest: ContentDigest): void {
    this.#set(name, MANIFEST_STREAM_PREFIX + manifestDigest);
  }

  /** Sets the target of a tag to a stored index. @throws as `set` */
  setIndex(name: string, indexDigest: ContentDigest): void {
    this.#set(name, INDEX_STREAM_PREFIX + indexDigest);
  }

  /** Removes a tag, also a dangling one; false if it did not exist. @throws FormatError REF_NAME_INVALID */
  remove(name: string): boolean {
    checkTagName(name);
    return this.#refs.remove('streams', `${TAGS}/${encodeTag(name)}`);
  }

  #resolve(name: string, prefix: string) {
    checkTagName(name);
    const ref = this.#refs.resolve('streams', `${TAGS}/${encodeTag(name)}`);
    const digest = ref === undefined ? undefined : digestIn(ref.target, prefix);
    return digest === undefined ? undefined : { digest, id: ref?.id };
  }

  #set(name: string, stream: string): void {
    checkTagName(name);
    this.#refs.set('streams', `${TAGS}/${encodeTag(name)}`, stream);
  }
}

function digestIn(streamName: string, prefix: string): ContentDigest | undefined {
  if (!streamName.startsWith(prefix)) return undefined;
  const digest = streamName.slice(prefix.length);
  return isContentDigest(digest) ? digest : undefined;
}
