import type { ContentDigest } from '#base/digest';
import { hasCode, isOnecopyError, type OnecopyError } from '#base/errors';
import type { HttpBytes } from '#remotes/http';
import type { AccessRequest, EndpointAccess } from './access.ts';
import {
  CHUNK_MAX_BYTES,
  CHUNK_MIN_BYTES,
  MONOLITHIC_MAX_BYTES,
  SMALL_ANSWER_MAX_BYTES,
  UPLOAD_TRIES_MAX,
} from './layout.ts';
import { closing, locationOf } from './location.ts';
import { brokenAnswer } from './problem.ts';
import { repositoryScopes, type Scopes } from './scope.ts';

/** A blob to push. Its bytes can be read again from any offset, because a transfer may break. */
export interface BlobToPush {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  open(offset: number): AsyncIterable<Uint8Array>;
}

/** The state of an upload, for another run to resume. The URL is a secret that allows writing. */
export interface UploadState {
  readonly location: string;
  readonly sentBytes: number;
}

/** How a blob is pushed. */
export interface PushBlobOptions {
  /** Repositories of the same registry that have the blob, most likely first. */
  readonly mountFrom?: readonly string[];
  /** The state from `onState` of an earlier run. */
  readonly state?: UploadState;
  readonly onState?: (state: UploadState) => void;
  readonly onProgress?: (sentBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** How a blob was stored in the registry. */
export type PushedBlob = 'present' | 'mounted' | 'uploaded';

/**
 * Stores a blob in a repository: checks whether it exists, mounts it from another repository, or sends it. A broken transfer is resumed
 * from the offset that the registry reports, otherwise from the first byte.
 * @throws TransportError REGISTRY_ANSWER_INVALID and as `EndpointAccess.ask`; the error of `open`
 */
export async function pushBlob(
  access: EndpointAccess,
  blob: BlobToPush,
  options: PushBlobOptions = {},
): Promise<PushedBlob> {
  const upload = new BlobUpload(access, blob, options);
  if (await upload.isPresent()) return 'present';
  if (!(await upload.resume())) {
    for (const from of options.mountFrom ?? []) if (await upload.mount(from)) return 'mounted';
  }
  await upload.send();
  return 'uploaded';
}

/**
 * Checks whether a blob exists, or can be mounted from another repository; sends no blob.
 * @returns undefined if no known repository has it
 */
export async function offerBlob(
  access: EndpointAccess,
  blob: Pick<BlobToPush, 'digest' | 'sizeBytes'>,
  options: Pick<PushBlobOptions, 'mountFrom' | 'signal'> = {},
): Promise<'present' | 'mounted' | undefined> {
  const open = () => {
    throw new TypeError('A blob that is only offered has no bytes');
  };
  const upload = new BlobUpload(access, { ...blob, open }, options);
  if (await upload.isPresent()) return 'present';
  for (const from of options.mountFrom ?? []) if (await upload.mount(from)) return 'mounted';
  await upload.cancel();
  return undefined;
}

/** True if this repository has the blob. */
export async function hasBlob(
  access: EndpointAccess,
  digest: ContentDigest,
  options: { readonly scopes: Scopes; readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const request = { path: `blobs/${digest}`, method: 'HEAD', maxBytes: SMALL_ANSWER_MAX_BYTES };
  const answer = await unlessBroken(() => access.ask({ ...request, accept: 'final', ...options }));
  if (answer === undefined) return false;
  if (answer.status === 401) throw access.refusal(answer, 'HEAD', 1);
  return answer.status === 200;
}

/** What a registry answered; undefined where it fails at this request again and again, though it may serve others. */
async function unlessBroken(ask: () => Promise<HttpBytes>): Promise<HttpBytes | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (hasCode(error, 'HTTP_STATUS')) return undefined;
    throw error;
  }
}

class BlobUpload {
  readonly #access: EndpointAccess;
  readonly #blob: BlobToPush;
  readonly #options: PushBlobOptions;
  readonly #scopes: Scopes;
  /** Scopes for a mount, including the source repositories; some registries restrict access to them. */
  readonly #mountScopes: Scopes;
  /** URL of the next request of the open upload; each response updates it. */
  #location: URL | undefined;
  #sentBytes = 0;
  /** Smallest chunk size that the registry announced. */
  #chunkMinBytes: number | undefined;
  /** True after the registry has reported the offset of an upload after a break. */
  #knowsStatus = false;
  /** True after an upload was resumed: bytes may have been lost or duplicated. */
  #wasResumed = false;
  #tries = 0;

  constructor(access: EndpointAccess, blob: BlobToPush, options: PushBlobOptions) {
    this.#access = access;
    this.#blob = blob;
    this.#options = options;
    const from = options.mountFrom ?? [];
    this.#scopes = repositoryScopes(access.endpoint.repository, ['pull', 'push']);
    this.#mountScopes = repositoryScopes(access.endpoint.repository, ['pull', 'push'], from);
    if (options.state !== undefined && URL.canParse(options.state.location)) {
      this.#location = new URL(options.state.location);
      this.#sentBytes = options.state.sentBytes;
    }
  }

  async isPresent(): Promise<boolean> {
    const { signal } = this.#options;
    return await hasBlob(this.#access, this.#blob.digest, { scopes: this.#scopes, signal });
  }

  /**
   * @returns false if the registry did not mount; it may have opened an upload instead, which is then used. A refusal for the other
   * repository, also by the token server, does not fail the push.
   */
  async mount(from: string): Promise<boolean> {
    const query = new URLSearchParams({ mount: this.#blob.digest, from });
    try {
      const request = { path: `blobs/uploads/?${query}`, method: 'POST', accept: 'final' } as const;
      const answer = await unlessBroken(() => this.#ask(request, this.#mountScopes));
      if (answer?.status === 201) return true;
      if (answer?.status === 202) this.#take(answer, 0);
    } catch (error) {
      if (!hasCode(error, 'HTTP_DENIED')) throw error;
    }
    return false;
  }

  /** Cancels an upload that a mount opened. Errors are ignored: the registry expires it by itself. */
  async cancel(): Promise<void> {
    const location = this.#location;
    this.#forget();
    if (location === undefined) return;
    try {
      await this.#ask({ at: location, method: 'DELETE', attempts: 1, accept: 'any' });
    } catch (error) {
      if (!isOnecopyError(error) || error.kind !== 'transport') throw error;
    }
  }

  /** @returns true when the upload of an earlier run goes on: the registry has some of it */
  async resume(): Promise<boolean> {
    if (this.#location === undefined) return false;
    try {
      await this.#askStatus();
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (!isOnecopyError(error) || error.kind !== 'transport') throw error;
      this.#forget();
    }
    return this.#sentBytes > 0;
  }

  /** Sends the bytes and closes the upload. */
  async send(): Promise<void> {
    for (;;) {
      this.#options.signal?.throwIfAborted();
      const before = this.#sentBytes;
      try {
        if (this.#location === undefined) await this.#begin();
        return await this.#sendRest();
      } catch (error) {
        if (await this.#recover(error, before)) return;
      }
    }
  }

  async #begin(): Promise<void> {
    const answer = await this.#ask({ path: 'blobs/uploads/', method: 'POST', accept: [202] });
    const announced = Number(answer.headers.get('oci-chunk-min-length') ?? Number.NaN);
    if (Number.isSafeInteger(announced) && announced > 0 && announced <= CHUNK_MAX_BYTES) {
      this.#chunkMinBytes = announced;
    }
    this.#take(answer, 0);
  }

  async #sendRest(): Promise<void> {
    const { sizeBytes } = this.#blob;
    const isSmall = sizeBytes <= MONOLITHIC_MAX_BYTES && this.#chunkMinBytes === undefined;
    if (this.#sentBytes === 0 && isSmall) return await this.#close(true);
    while (this.#sentBytes < sizeBytes) await this.#sendPart();
    await this.#close(false);
  }

  /** Sends a chunk, or all remaining bytes if the registry is not known to support chunks. */
  async #sendPart(): Promise<void> {
    const { sizeBytes } = this.#blob;
    const offset = this.#sentBytes;
    const inChunks = this.#chunkMinBytes !== undefined || this.#knowsStatus;
    const chunkBytes = inChunks ? Math.max(CHUNK_MIN_BYTES, this.#chunkMinBytes ?? 0) : sizeBytes;
    const end = Math.min(sizeBytes, offset + chunkBytes);
    const isPart = offset > 0 || end < sizeBytes;
    const answer = await this.#ask({
      at: this.#open(),
      method: 'PATCH',
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(end - offset),
        // No unit and no total, unlike Content-Range elsewhere. Source: distribution-spec 1.1, "Pushing a blob in chunks".
        ...(isPart ? { 'content-range': `${offset}-${end - 1}` } : {}),
      },
      content: () => this.#bytes(offset, end),
      // Some registries answer 201 or 204.
      accept: [202, 201, 204],
    });
    const stored = storedBytes(answer);
    // A registry may report fewer bytes than it received, or an old offset: the digest decides.
    const isShort = stored !== undefined && stored > offset && stored < end;
    this.#take(answer, isShort ? stored : end);
    if (this.#sentBytes > offset) this.#tries = 0;
  }

  async #close(withBody: boolean): Promise<void> {
    const { digest, sizeBytes } = this.#blob;
    const answer = await this.#ask({
      at: closing(this.#open(), digest),
      method: 'PUT',
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(withBody ? sizeBytes : 0),
      },
      ...(withBody && sizeBytes > 0 ? { content: () => this.#bytes(0, sizeBytes) } : {}),
      attempts: 1,
      accept: [201, 204],
    });
    const stated = answer.headers.get('docker-content-digest') ?? digest;
    if (stated !== digest) {
      throw brokenAnswer({ url: answer.url, method: 'PUT' }, `the digest ${digest}`, stated);
    }
    this.#options.onProgress?.(sizeBytes);
  }

  /**
   * After a failure: checks whether the blob arrived, otherwise its offset, otherwise starts again.
   * @returns true if it arrived and only the response was lost
   */
  async #recover(error: unknown, sentBefore: number): Promise<boolean> {
    this.#options.signal?.throwIfAborted();
    if (!isOnecopyError(error) || error.kind !== 'transport' || !this.#mayGoOn(error)) throw error;
    if (this.#sentBytes <= sentBefore && ++this.#tries >= UPLOAD_TRIES_MAX) throw error;
    if (this.#tries > 0) await this.#access.pause(this.#tries + 1, this.#options.signal);
    if (await this.isPresent()) return true;
    if (error.details['status'] === undefined) await this.#askStatus();
    else this.#forget();
    return false;
  }

  /** True for a lost connection, an upload that the registry has expired, and bytes that were damaged by resuming. */
  #mayGoOn({ details }: OnecopyError): boolean {
    const { status } = details;
    if (status === 400) return this.#wasResumed;
    return status === 404 || status === 416 || details['retryable'] === true;
  }

  /** Requests the offset of an open upload; starts again if the registry does not report it, or reports an impossible one. */
  async #askStatus(): Promise<void> {
    const location = this.#location;
    if (location === undefined) return this.#forget();
    const answer = await unlessBroken(() => this.#ask({ at: location, accept: 'final' }));
    const stored = answer?.status === 204 ? storedBytes(answer) : undefined;
    const { sizeBytes } = this.#blob;
    if (
      answer === undefined ||
      stored === undefined ||
      stored > sizeBytes ||
      stored < this.#sentBytes
    )
      this.#forget();
    else {
      this.#knowsStatus = true;
      this.#wasResumed = true;
      this.#take(answer, stored, location);
    }
  }

  #forget(): void {
    this.#wasResumed = false;
    this.#knowsStatus = false;
    this.#location = undefined;
    this.#sentBytes = 0;
  }

  #take(answer: HttpBytes, sentBytes: number, otherwise?: URL): void {
    const isNamed = answer.headers.has('location') || otherwise === undefined;
    this.#location = isNamed ? locationOf(answer, 'POST') : otherwise;
    this.#sentBytes = sentBytes;
    this.#options.onState?.({ location: this.#open().href, sentBytes });
  }

  #open(): URL {
    if (this.#location === undefined) throw new TypeError('The upload is not open');
    return this.#location;
  }

  async *#bytes(offset: number, end: number): AsyncGenerator<Uint8Array> {
    let at = offset;
    for await (const piece of this.#blob.open(offset)) {
      const part = piece.subarray(0, end - at);
      if (part.length > 0) yield part;
      at += part.length;
      this.#options.onProgress?.(at);
      if (at === end) return;
    }
  }

  async #ask(
    request: Omit<AccessRequest, 'scopes' | 'signal' | 'maxBytes'>,
    scopes: Scopes = this.#scopes,
  ): Promise<HttpBytes> {
    const { signal } = this.#options;
    const common = { scopes, signal, maxBytes: SMALL_ANSWER_MAX_BYTES };
    return await this.#access.ask({ ...request, ...common });
  }
}

/** Number of bytes that the registry has, from `0-LAST`. One byte and no byte have the same form, and count as none. */
function storedBytes({ headers }: HttpBytes): number | undefined {
  const [, last] = /^(?:bytes=)?0-([0-9]{1,15})$/.exec(headers.get('range') ?? '') ?? [];
  if (last === undefined) return undefined;
  return last === '0' ? 0 : Number(last) + 1;
}
