import { isOnecopyError } from '#base/errors';
import { type CopySource, openCopySource, resolveOf } from '#work/copy-image';
import { openOciImage } from '#work/image';
import { pullImage } from '#work/pull-image';
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
  'PLATFORM_NOT_FOUND',
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
  readonly subject: string;
  readonly asked: RegistryRequest & PolicyRequest;
}

/**
 * Pulls what refers to a stored image at its source, and what refers to that. The artifacts have no name: they stay as long as the image.
 * @throws as `pullImage`, but for artifacts of unknown form, which are left out
 */
export async function pullReferrers(
  context: VerbContext,
  repository: Repository,
  { reference, subject, asked }: ReferrersJob,
): Promise<PulledReferrer[]> {
  await using source = await openCopySource(reference, registryOptions(asked));
  const pull = new ReferrersPull(context, repository, source);
  await pull.below(subject, 0);
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

  async below(subject: string, depth: number): Promise<void> {
    const { signal } = this.#context;
    const { manifestDigest } = openOciImage(this.#repository, `@${subject}`);
    for (const descriptor of await this.#source.listReferrers(manifestDigest, { signal })) {
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
      const image = await resolveOf(source, [descriptor], { signal });
      const bare = { mediaType: '', annotations: new Map<string, string>(), urls: [] };
      await pullImage(
        this.#repository,
        {
          resolve: () => image,
          openBlob: (digest, sizeBytes = 0) => {
            const content = source.openBlob({ ...bare, digest, sizeBytes });
            return content instanceof Uint8Array ? [content] : content;
          },
        },
        { signal, onProgress, jobs, keepBlobs: true },
      );
      return true;
    } catch (error) {
      if (!isOnecopyError(error) || !LEFT_OUT.has(error.code)) throw error;
      warn(`${descriptor.digest} is not stored, though it refers to the image: ${error.message}`);
      return false;
    }
  }
}
