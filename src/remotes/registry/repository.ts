import type { ContentDigest } from '#base/digest';
import { isOnecopyError, NotFoundError, type OnecopyError } from '#base/errors';
import { type Traffic, verified } from '#base/flow';
import {
  CONFIG_MAX_BYTES,
  type Descriptor,
  isIndexType,
  isManifestType,
  type ResolvedImage,
  type ResolveOptions,
  requireDocumentSize,
  resolveImage,
} from '#formats/oci';
import { EndpointAccess, type HostMemory } from './access.ts';
import { addTraffic, type BlobName, RegistryBlob, type TrafficCount } from './blob.ts';
import type { Endpoint } from './endpoint.ts';
import { FailOver, withOthers } from './fail-over.ts';
import type { RegistrySettings } from './host.ts';
import { type FetchedManifest, fetchManifest, type ManifestReference } from './manifest.ts';
import {
  addReferrer,
  type ManifestToPush,
  type PushedManifest,
  pushManifest,
} from './push-manifest.ts';
import { fetchReferrers } from './referrers.ts';
import { repositoryScopes } from './scope.ts';
import { fetchTags } from './tags.ts';
import {
  type BlobToPush,
  hasBlob,
  offerBlob,
  type PushBlobOptions,
  type PushedBlob,
  pushBlob,
} from './upload.ts';

/** Options of a request. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A repository of a registry, with all its endpoints. Reads move from a failed endpoint to the next one; writes use only the first. Dispose
 * it to close its connections.
 */
export class RegistryRepository implements AsyncDisposable {
  readonly #all: readonly EndpointAccess[];
  readonly #endpoints: FailOver;
  readonly #read: TrafficCount = { requests: 0, bodyBytes: 0, skippedBytes: 0 };
  readonly #knowsReferrers = new Map<EndpointAccess, boolean>();
  /** True after a manifest has arrived: its endpoint is used first for everything that belongs to it. */
  #hasDelivered = false;

  /** @param endpoints in the order of the configuration, at least one */
  constructor(endpoints: readonly Endpoint[], settings: RegistrySettings = {}) {
    if (endpoints.length === 0) throw new RangeError('A repository needs an endpoint');
    const last = endpoints.length - 1;
    this.#all = endpoints.map((one, at) => new EndpointAccess(one, settings, at < last));
    this.#endpoints = new FailOver(this.#all);
  }

  /**
   * Costs so far: requests for manifests, blobs, lists and uploads, without those for tokens; bytes of manifests and blobs that were read.
   */
  get traffic(): Traffic {
    const requests = this.#all.reduce((sum, access) => sum + access.requests, 0);
    return { ...this.#read, requests };
  }

  /** Begins with what earlier sessions learnt of the hosts, and tells what this one learns. */
  remember(memory: HostMemory): void {
    for (const access of this.#all) access.remember(memory);
  }

  /** The endpoint that is asked first now. */
  get endpoint(): Endpoint {
    return this.#endpoints.preferred.endpoint;
  }

  /**
   * Reads and verifies a manifest or index; undefined if the registry does not have it. Bounded by 4 MiB.
   * @throws IntegrityError BLOB_DIGEST_MISMATCH; FormatError and UnsupportedError as `parseManifest`; TransportError
   */
  async readManifest(
    reference: ManifestReference,
    { signal }: RequestOptions = {},
  ): Promise<FetchedManifest | undefined> {
    const failures: OnecopyError[] = [];
    // A tag is resolved at the endpoint that delivered it; a digest is the same at all endpoints.
    const isOnlyThere = this.#hasDelivered && 'tag' in reference;
    for (const access of this.#endpoints.ordered) {
      try {
        const found = await fetchManifest(access, reference, signal);
        if (found !== undefined) {
          addTraffic(this.#read, { bodyBytes: found.bytes.length });
          this.#hasDelivered = true;
          this.#endpoints.prefer(access);
          return found;
        }
        if (isOnlyThere) return undefined;
      } catch (error) {
        signal?.throwIfAborted();
        if (!isOnecopyError(error) || error.kind === 'host') throw error;
        failures.push(error);
      }
    }
    if (failures.length > 0) throw withOthers(failures);
    return undefined;
  }

  /** Reads a manifest that must exist. @throws NotFoundError MANIFEST_NOT_FOUND; as `readManifest` */
  async requireManifest(
    reference: ManifestReference,
    options: RequestOptions = {},
  ): Promise<FetchedManifest> {
    const found = await this.readManifest(reference, options);
    if (found !== undefined) return found;
    const access = this.#all.at(-1) as EndpointAccess;
    const { host: registry, repository } = access.endpoint;
    const wanted = 'tag' in reference ? reference.tag : reference.digest;
    const joint = 'tag' in reference ? ':' : '@';
    throw new NotFoundError(
      'MANIFEST_NOT_FOUND',
      `Cannot find ${registry}/${repository}${joint}${wanted}: expected a manifest, found none (${access.who})`,
      { registry, repository, reference: wanted },
      {
        hint:
          access.who === 'nobody is logged in'
            ? `Check the name. For a private image, log in: \`onecopy help login\``
            : `Check the name: run \`onecopy tags docker://${registry}/${repository}\``,
      },
    );
  }

  /** Selects the image for a platform and reads its manifest and config. @throws as `requireManifest`, `resolveImage`, `readBlob` */
  async resolve(
    reference: ManifestReference,
    options: ResolveOptions & RequestOptions = {},
  ): Promise<ResolvedImage> {
    const { signal, platform } = options;
    const top = await this.requireManifest(reference, { signal });
    const known = new Map([[top.digest, top.bytes]]);
    const { bytes, digest, mediaType } = top;
    const candidate = {
      mediaType,
      digest,
      sizeBytes: bytes.length,
      annotations: new Map(),
      urls: [],
    };
    const search = resolveImage([candidate], { platform });
    let step = search.next();
    while (step.done !== true) {
      const { descriptor, maximumBytes } = step.value;
      const found =
        known.get(descriptor.digest) ?? (await this.#document(descriptor, maximumBytes, signal));
      known.set(descriptor.digest, found);
      step = search.next(found);
    }
    return step.value;
  }

  /** A blob to read, completely or by ranges; sends no request yet. */
  openBlob(name: BlobName): RegistryBlob {
    return new RegistryBlob(name, this.#endpoints, (part) => addTraffic(this.#read, part));
  }

  /**
   * Reads and verifies a small blob; if its bytes are wrong at an endpoint, the next one is used.
   * @throws FormatError OCI_DOCUMENT_TOO_LARGE; IntegrityError BLOB_SIZE_MISMATCH, BLOB_DIGEST_MISMATCH; as `RegistryBlob.read`
   */
  async readBlob(
    name: BlobName,
    options: RequestOptions & { readonly maximumBytes?: number } = {},
  ): Promise<Uint8Array> {
    const { maximumBytes = CONFIG_MAX_BYTES, signal } = options;
    const { digest, sizeBytes } = name;
    requireDocumentSize(sizeBytes, `blob ${digest}`, maximumBytes);
    for (let left = this.#all.length; ; left--) {
      const blob = this.openBlob(name);
      try {
        const pieces: Uint8Array[] = [];
        for await (const piece of verified(blob.read({ signal }), { digest, sizeBytes })) {
          pieces.push(new Uint8Array(piece));
        }
        return Buffer.concat(pieces);
      } catch (error) {
        const isWrong = isOnecopyError(error) && error.kind === 'integrity';
        if (!isWrong || left <= 1 || !blob.distrust()) throw error;
      }
    }
  }

  /** Tags, in the order of the registry. @throws NotFoundError REGISTRY_NAME_NOT_FOUND; as `fetchTags` */
  async listTags({ signal }: RequestOptions = {}): Promise<readonly string[]> {
    const access = this.#endpoints.preferred;
    const tags = await fetchTags(access, signal);
    if (tags !== undefined) return tags;
    const { host: registry, repository } = access.endpoint;
    throw new NotFoundError(
      'REGISTRY_NAME_NOT_FOUND',
      `Cannot list tags of ${registry}/${repository}: the registry has no such repository (${access.who})`,
      { registry, repository },
      { hint: `Check the name. For a private repository, log in: \`onecopy help login\`` },
    );
  }

  /** The referrers of a manifest, from the API or its tag. @throws TransportError, FormatError */
  async listReferrers(
    subject: ContentDigest,
    { signal }: RequestOptions = {},
  ): Promise<readonly Descriptor[]> {
    const access = this.#endpoints.preferred;
    const known = this.#knowsReferrers.get(access);
    const { referrers, knowsApi } = await fetchReferrers(access, subject, known, signal);
    this.#knowsReferrers.set(access, knowsApi);
    return referrers;
  }

  /** True if the blob is in this repository. */
  async hasBlob(digest: ContentDigest, { signal }: RequestOptions = {}): Promise<boolean> {
    const access = this.#first;
    const scopes = repositoryScopes(access.endpoint.repository, ['pull']);
    return await hasBlob(access, digest, { scopes, signal });
  }

  /** Finds a blob in the repository, or mounts it; sends no blob. @throws as `offerBlob` */
  async offerBlob(
    blob: Pick<BlobToPush, 'digest' | 'sizeBytes'>,
    options: Pick<PushBlobOptions, 'mountFrom' | 'signal'> = {},
  ): Promise<'present' | 'mounted' | undefined> {
    return await offerBlob(this.#first, blob, options);
  }

  /** Stores a blob in the repository. @throws as `pushBlob` */
  async pushBlob(blob: BlobToPush, options: PushBlobOptions = {}): Promise<PushedBlob> {
    return await pushBlob(this.#first, blob, options);
  }

  /**
   * Pushes a manifest, whose blobs and children must exist. A manifest with a subject is added to its referrers: by the registry, or else
   * under the tag of the subject.
   * @throws IntegrityError BLOB_DIGEST_MISMATCH; TransportError
   */
  async pushManifest(
    manifest: ManifestToPush,
    { signal }: RequestOptions = {},
  ): Promise<PushedManifest> {
    const pushed = await pushManifest(this.#first, manifest, signal);
    if (pushed.subject !== undefined && !pushed.isListed) {
      await addReferrer(this.#first, pushed, manifest, signal);
    }
    return pushed;
  }

  /** Tests the credentials of the endpoint. @throws TransportError HTTP_DENIED and others */
  async verifyLogin({ signal }: RequestOptions = {}): Promise<void> {
    await this.#first.verifyLogin(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const access of this.#all) await access[Symbol.asyncDispose]();
  }

  get #first(): EndpointAccess {
    return this.#all[0] as EndpointAccess;
  }

  /** A child manifest, or a config. */
  async #document(
    descriptor: Descriptor,
    maximumBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const { digest } = descriptor;
    if (isIndexType(descriptor.mediaType) || isManifestType(descriptor.mediaType)) {
      return (await this.requireManifest({ digest }, { signal })).bytes;
    }
    return await this.readBlob(descriptor, { maximumBytes, signal });
  }
}
