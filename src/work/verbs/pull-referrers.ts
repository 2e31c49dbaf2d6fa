import type { ContentDigest } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { type CopySource, openCopySource } from '#work/copy-image';
import { openOciImage } from '#work/image';
import { pullImage, withAccess } from '#work/pull-image';
import { readImage, sourceOfImage } from '#work/pull-index';
import type { Repository } from '#work/repository';
import { type PolicyRequest, type RegistryRequest, registryOptions } from './registry-keys.ts';
import { orNull } from './schemas.ts';
import type { VerbContext } from './verb.ts';

/** Most levels of referrers of referrers. */
const DEPTH_MAX = 4;
/** Refusals that are about one artifact: it is left out with a warning, and the image is pulled all the same. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'LAYER_COUNT_MISMATCH',
  'MEDIA_TYPE_UNSUPPORTED',
  'OCI_DOCUMENT_INVALID',
]);

/** An artifact that was pulled because it refers to something. */
export interface PulledReferrer {
  readonly digest: string;
  readonly subject: string;
  readonly artifactType: string | null;
}

/** What is pulled, and from where. */
interface ReferrersJob {
  readonly reference: string;
  readonly subjects: readonly ContentDigest[];
  readonly asked: RegistryRequest & PolicyRequest;
}

/**
 * Pulls what refers to stored images at their source, and what refers to that. The artifacts have no name: they stay as long as their subject.
 * @throws as `pullImage`, but for artifacts of unknown form, which are left out
 */
export async function pullReferrers(
  context: VerbContext,
  repository: Repository,
  { reference, subjects, asked }: ReferrersJob,
): Promise<PulledReferrer[]> {
  const { signal, onProgress } = context;
  await using source = await openCopySource(reference, registryOptions(asked));
  const pull = new ReferrersPull(context, repository, source);
  const isLeased = source.place !== undefined;
  await withAccess(repository, { signal, onProgress, isLeased }, async () => {
    for (const subject of subjects) await pull.below(subject, 0);
  });
  return pull.found;
}

class ReferrersPull {
  readonly found: PulledReferrer[] = [];
  readonly #context: VerbContext;
  readonly #repository: Repository;
  readonly #source: CopySource;
  readonly #seen = new Set<string>();

  constructor(context: VerbContext, repository: Repository, source: CopySource) {
    this.#context = context;
    this.#repository = repository;
    this.#source = source;
  }

  async below(subject: ContentDigest, depth: number): Promise<void> {
    const { signal } = this.#context;
    for (const descriptor of await this.#source.listReferrers(subject, { signal })) {
      signal.throwIfAborted();
      const { digest } = descriptor;
      if (this.#seen.has(digest)) continue;
      this.#seen.add(digest);
      if (!(await this.#pull(descriptor))) continue;
      const { manifest } = openOciImage(this.#repository, `@${digest}`);
      const artifactType = orNull(manifest.artifactType ?? manifest.config.mediaType);
      this.found.push({ digest, subject, artifactType });
      if (depth + 1 < DEPTH_MAX) await this.below(digest, depth + 1);
    }
  }

  /** @returns false for an artifact that cannot be stored */
  async #pull(descriptor: Parameters<CopySource['openBlob']>[0]): Promise<boolean> {
    const { signal, onProgress, warn, jobs } = this.#context;
    const source = this.#source;
    try {
      const image = await readImage(source, descriptor, { signal });
      const options = { signal, onProgress, jobs, keepBlobs: true };
      await pullImage(this.#repository, sourceOfImage(source, image), options);
      return true;
    } catch (error) {
      if (!isOnecopyError(error) || !LEFT_OUT.has(error.code)) throw error;
      warn(`${descriptor.digest} is not stored, though it refers to the image: ${error.message}`);
      return false;
    }
  }
}
