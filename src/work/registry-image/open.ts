import type { ContentDigest } from '#base/digest';
import type { RemoteBlob, Traffic } from '#base/flow';
import type { ImageEndpoint } from '#formats/containers-config';
import type { RegistryReference, ResolvedImage, ResolveOptions } from '#formats/oci';
import {
  type Endpoint,
  type HostMemory,
  type ManifestReference,
  RegistryRepository,
  type RegistrySettings,
  type RequestOptions,
} from '#remotes/registry';
import {
  ConfigRoot,
  hostEnvironment,
  openRegistryConfiguration,
  type RegistryOptions,
} from '#work/registries';
import {
  type ImageJudge,
  judgeRegistryImage,
  openTrust,
  type TrustOptions,
  type TrustReport,
} from '#work/trust';

/** Options that stand before the configuration of this host. */
export interface RegistryImageOptions extends RegistryOptions, TrustOptions {
  /** How the client connects; the default suits everybody but tests. */
  readonly settings?: RegistrySettings | undefined;
}

/**
 * Opens the repository of an image with its configured endpoints. Sends no request yet. @throws as `openRegistryConfiguration`, `openTrust`
 */
export async function openRegistryImage(
  reference: RegistryReference,
  options: RegistryImageOptions = {},
): Promise<RegistryImage> {
  const root = ConfigRoot.open(process.cwd());
  try {
    const env = hostEnvironment();
    const configuration = await openRegistryConfiguration(root, env, options);
    const trust = openTrust(root, env, options);
    const endpoints = new Map<Endpoint, ImageEndpoint>();
    for (const endpoint of configuration.endpointsFor(reference)) {
      endpoints.set(configuration.clientEndpoint(endpoint, reference.registry), endpoint);
    }
    const repository = new RegistryRepository([...endpoints.keys()], options.settings);
    const judge: ImageJudge = (manifest, judgeOptions) =>
      judgeRegistryImage(
        trust,
        {
          name: reference,
          endpoint: endpoints.get(repository.endpoint) as ImageEndpoint,
          manifests: [manifest],
          store: repository,
        },
        judgeOptions,
      );
    return new RegistryImage(reference, {
      repository,
      root,
      judge,
      warnings: configuration.warnings,
    });
  } catch (error) {
    root[Symbol.dispose]();
    throw error;
  }
}

interface Opened {
  readonly repository: RegistryRepository;
  readonly root: ConfigRoot;
  readonly judge: ImageJudge;
  readonly warnings: readonly string[];
}

/** An image in a registry. Dispose it to close its connections. */
export class RegistryImage implements AsyncDisposable {
  readonly reference: RegistryReference;
  /** Warnings of the configuration for the user, each once. */
  readonly warnings: readonly string[];
  readonly isRemote = true;
  readonly #opened: Opened;
  readonly #sizes = new Map<ContentDigest, number>();

  constructor(reference: RegistryReference, opened: Opened) {
    this.reference = reference;
    this.warnings = opened.warnings;
    this.#opened = opened;
  }

  /** Costs so far. */
  get traffic(): Traffic {
    return this.#opened.repository.traffic;
  }

  /** The repository, with its configured endpoints. */
  get repository(): RegistryRepository {
    return this.#opened.repository;
  }

  /** The repository by its name, whatever mirror delivers. */
  get origin(): { readonly registry: string; readonly repository: string } {
    return this.reference;
  }

  /** Begins with what earlier pulls learnt of the hosts, and tells what this one learns. */
  remember(memory: HostMemory): void {
    this.#opened.repository.remember(memory);
  }

  /** Asks the policy of this host about the image. Call it after `resolve`, which finds out who delivers. @throws as `judgeRegistryImage` */
  judge(manifest: ContentDigest, options: RequestOptions = {}): Promise<TrustReport> {
    return this.#opened.judge(manifest, options);
  }

  /** Selects the image for a platform and verifies its manifest and config. @throws as `RegistryRepository.resolve` */
  async resolve(options: ResolveOptions & RequestOptions = {}): Promise<ResolvedImage> {
    const image = await this.#opened.repository.resolve(manifestOf(this.reference), options);
    for (const { digest, sizeBytes } of image.manifest.layers) this.#sizes.set(digest, sizeBytes);
    return image;
  }

  /**
   * A blob of the resolved image; nothing is asked before it is read.
   * @param sizeBytes as its descriptor says; may be omitted for layers of the resolved image
   */
  openBlob(digest: ContentDigest, sizeBytes?: number): RemoteBlob {
    const size = sizeBytes ?? this.#sizes.get(digest);
    if (size === undefined) throw new RangeError(`Size of blob ${digest} is not known`);
    return this.#opened.repository.openBlob({ digest, sizeBytes: size });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.repository[Symbol.asyncDispose]();
    this.#opened.root[Symbol.dispose]();
  }
}

/** The tag or digest of a reference. */
export function manifestOf({ digest, tag }: RegistryReference): ManifestReference {
  return digest === undefined ? { tag: tag ?? 'latest' } : { digest };
}
