import { readFileSync } from 'node:fs';
import type { ContentDigest } from '#base/digest';
import { type Descriptor, MEDIA_TYPES, parseManifest } from '#formats/oci';
import type { AttachedManifest, AttachmentStore } from '#work/trust';
import type { MemoryRegistry } from './memory-registry.ts';

const GOLDEN = new URL('../golden/trust/', import.meta.url);

interface StoredManifest {
  readonly digest: ContentDigest;
  readonly mediaType: string;
  readonly tag?: string;
}

const REPOSITORIES = JSON.parse(readFileSync(new URL('registry.json', GOLDEN), 'utf8')) as Readonly<
  Record<
    string,
    { readonly blobs: readonly string[]; readonly manifests: readonly StoredManifest[] }
  >
>;

/** Bytes of a recorded blob. */
export function trustBlob(digest: string): Uint8Array {
  return readFileSync(new URL(`blobs/${digest.slice('sha256:'.length)}`, GOLDEN));
}

/** A manifest of the recorded registry by tag or digest; undefined when it has none. */
export function trustManifest(repository: string, reference: string): StoredManifest | undefined {
  const manifests = REPOSITORIES[repository]?.manifests ?? [];
  return manifests.find(({ tag, digest }) => tag === reference || digest === reference);
}

/** Puts the recorded repositories into a registry. */
export function fillRegistry(registry: MemoryRegistry): void {
  for (const [repository, { blobs, manifests }] of Object.entries(REPOSITORIES)) {
    for (const digest of blobs) registry.addBlob(repository, trustBlob(digest));
    for (const { digest, mediaType, tag } of manifests) {
      registry.addManifest(repository, trustBlob(digest), mediaType, tag);
    }
  }
}

/** The recorded registry, without a network: it has no referrers API, only the tag. Counts what is asked. */
export class RecordedAttachments implements AttachmentStore {
  readonly asked: string[] = [];
  readonly #repository: string;

  constructor(repository: string) {
    this.#repository = repository;
  }

  async readManifest(
    reference: { readonly tag: string } | { readonly digest: ContentDigest },
  ): Promise<AttachedManifest | undefined> {
    const name = 'tag' in reference ? reference.tag : reference.digest;
    this.asked.push(name);
    const found = trustManifest(this.#repository, name);
    return found && { mediaType: found.mediaType, bytes: trustBlob(found.digest) };
  }

  async readBlob(blob: Descriptor): Promise<Uint8Array> {
    this.asked.push(blob.digest);
    if (REPOSITORIES[this.#repository]?.blobs.includes(blob.digest) === true) {
      return trustBlob(blob.digest);
    }
    throw new RangeError(`the recorded registry has no ${blob.digest}`);
  }

  async listReferrers(manifest: ContentDigest): Promise<readonly Descriptor[]> {
    const found = await this.readManifest({ tag: manifest.replace(':', '-') });
    if (found === undefined) return [];
    const index = parseManifest(found.bytes, MEDIA_TYPES.ociIndex);
    return index.kind === 'index' ? index.manifests : [];
  }
}
