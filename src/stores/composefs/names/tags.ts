import { type ContentDigest, isContentDigest, type ObjectId } from '#base/digest';
import { checkTagName, decodeTag, encodeTag } from './names.ts';
import type { RefStore } from './refs.ts';

/** Directory of OCI tags below `streams/refs/`. Source: composefs-rs 0.9 composefs-oci. */
const TAGS = 'oci';
/** Prefix of the stream name of an OCI manifest; its content digest follows. Source: composefs-rs 0.9 composefs-oci. */
export const MANIFEST_STREAM_PREFIX = 'oci-manifest-';

/** An OCI tag. */
export interface Tag {
  readonly name: string;
  readonly manifestDigest: ContentDigest;
  /** The splitstream of the manifest; undefined if the tag is dangling. */
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

  /** All tags in byte order of their file names; links that do not point to a manifest are omitted (fsck reports them). */
  list(): Tag[] {
    const tags: Tag[] = [];
    for (const ref of this.#refs.list('streams', TAGS)) {
      const manifestDigest = manifestOf(ref.target);
      if (manifestDigest === undefined || ref.name.includes('/')) continue;
      tags.push({ name: decodeTag(ref.name), manifestDigest, id: ref.id });
    }
    return tags;
  }

  /** The tag of this name, dangling or not; undefined when there is none. @throws FormatError REF_NAME_INVALID */
  resolve(name: string): Tag | undefined {
    checkTagName(name);
    const ref = this.#refs.resolve('streams', `${TAGS}/${encodeTag(name)}`);
    const manifestDigest = ref === undefined ? undefined : manifestOf(ref.target);
    if (ref === undefined || manifestDigest === undefined) return undefined;
    return { name, manifestDigest, id: ref.id };
  }

  /**
   * Sets the target of a tag to a stored manifest.
   * @throws NotFoundError STREAM_NOT_FOUND; FormatError REF_NAME_INVALID; UnsupportedError REPO_READ_ONLY
   */
  set(name: string, manifestDigest: ContentDigest): void {
    checkTagName(name);
    this.#refs.set(
      'streams',
      `${TAGS}/${encodeTag(name)}`,
      MANIFEST_STREAM_PREFIX + manifestDigest,
    );
  }

  /** Removes a tag, also a dangling one; false if it did not exist. @throws FormatError REF_NAME_INVALID */
  remove(name: string): boolean {
    checkTagName(name);
    return this.#refs.remove('streams', `${TAGS}/${encodeTag(name)}`);
  }
}

function manifestOf(streamName: string): ContentDigest | undefined {
  if (!streamName.startsWith(MANIFEST_STREAM_PREFIX)) return undefined;
  const digest = streamName.slice(MANIFEST_STREAM_PREFIX.length);
  return isContentDigest(digest) ? digest : undefined;
}
