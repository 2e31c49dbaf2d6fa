import type { RegistryReference } from '#formats/oci';
import { RegistryRepository, type RegistrySettings } from '#remotes/registry';
import {
  ConfigRoot,
  hostEnvironment,
  openRegistryConfiguration,
  type RegistryOptions,
} from '#work/registries';

/** A repository of a registry at its own host, where tags are listed and images are pushed. Dispose it to close its connections. */
export interface RegistryPlace extends AsyncDisposable {
  readonly repository: RegistryRepository;
  /** What the configuration of this host wants a user to hear once. */
  readonly warnings: readonly string[];
}

/**
 * Opens a repository by its own name: mirrors and other locations are for pulls alone. Nothing is requested yet.
 * @throws as `openRegistryConfiguration`; UnsupportedError REGISTRY_BLOCKED
 */
export async function openRegistryPlace(
  reference: Pick<RegistryReference, 'registry' | 'repository'>,
  options: RegistryOptions & { readonly settings?: RegistrySettings | undefined } = {},
): Promise<RegistryPlace> {
  await using owned = new AsyncDisposableStack();
  const root = owned.use(ConfigRoot.open(process.cwd()));
  const configuration = await openRegistryConfiguration(root, hostEnvironment(), options);
  const endpoint = configuration.pushEndpointFor(reference);
  const repository = owned.use(
    new RegistryRepository(
      [configuration.clientEndpoint(endpoint, reference.registry)],
      options.settings,
    ),
  );
  const opened = owned.move();
  const { warnings } = configuration;
  return { repository, warnings, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
