import {
  type ConfigEnvironment,
  type ConfigFile,
  chooseEndpoints,
  choosePushEndpoint,
  type ImageEndpoint,
  mergeRegistries,
  orderDropIns,
  parseAliasCache,
  parseRegistriesFile,
  planRegistriesSearch,
  type RegistriesConfig,
  type RegistriesFile,
  resolveShortName,
} from '#formats/containers-config';
import type { ImageName } from '#formats/oci';
import type { Endpoint } from '#remotes/registry';
import type { ConfigRoot } from './config-root.ts';
import { type CredentialOptions, CredentialSearch } from './credentials.ts';
import { readTlsMaterial, type TlsMaterial } from './tls-material.ts';

/** Options of the command line that override the files. */
export interface RegistryOptions extends CredentialOptions {
  /** `--registries-conf`: replaces the main file; drop-ins still apply. */
  readonly registriesConf?: string;
  /** `--tls-verify`. */
  readonly tlsVerify?: boolean;
  /** `--cert-dir`: the directory itself. */
  readonly certDir?: string;
}

/** One image to pull, with its endpoints. */
export interface ImageCandidate {
  readonly name: ImageName;
  readonly endpoints: readonly ImageEndpoint[];
}

/** Configuration of registries for a client: endpoints, credentials, certificates. */
export interface RegistryConfiguration {
  readonly registries: RegistriesConfig;
  /** Warnings for the user, each once. */
  readonly warnings: readonly string[];
  /** Endpoints for a pull, in order. @throws as `chooseEndpoints` */
  endpointsFor(name: ImageName): readonly ImageEndpoint[];
  /** The endpoint for a push, tags, a deletion or a login. @throws as `choosePushEndpoint` */
  pushEndpointFor(name: ImageName): ImageEndpoint;
  /**
   * The images that a name without a transport can refer to, in the order of attempts. Candidates after the first come from search
   * registries.
   * @throws as `resolveShortName` and `chooseEndpoints`
   */
  candidatesFor(text: string): readonly ImageCandidate[];
  /** Who asks, and where the answer comes from. Helpers are started; files are read when they are reached. */
  readonly credentials: CredentialSearch;
  /** Certificates for one endpoint. @throws FormatError CONFIG_INVALID; HostError */
  tlsFor(endpoint: Pick<ImageEndpoint, 'registry'>): TlsMaterial;
  /**
   * An endpoint for the registry client: certificates are read now, credentials when the registry first requires them.
   * @param written host of the reference; credentials of options are for it alone
   * @throws as `tlsFor`
   */
  clientEndpoint(endpoint: ImageEndpoint, written: string): Endpoint;
}

/**
 * Reads registries.conf with its drop-ins, and returns the configuration for a client. The root must stay open as long as the result is
 * used.
 * @throws FormatError CONFIG_INVALID; NotFoundError CONFIG_NOT_FOUND for a file that the user named; HostError
 */
export async function openRegistryConfiguration(
  root: ConfigRoot,
  env: ConfigEnvironment,
  options: RegistryOptions = {},
): Promise<RegistryConfiguration> {
  const registries = await readRegistries(root, env, options.registriesConf);
  const endpointOptions = options.tlsVerify === undefined ? {} : { tlsVerify: options.tlsVerify };
  const endpointsFor = (name: ImageName) => chooseEndpoints(registries, name, endpointOptions);
  const credentials = new CredentialSearch(root, env, registries.credentialHelpers, options);
  const tlsFor = ({ registry }: Pick<ImageEndpoint, 'registry'>) =>
    readTlsMaterial(root, env, registry, options.certDir);
  return {
    registries,
    warnings: [...registries.warnings, ...credentials.warnings],
    endpointsFor,
    pushEndpointFor: (name) => choosePushEndpoint(registries, name, endpointOptions),
    candidatesFor: (text) =>
      resolveShortName(registries, text).names.map((name) => ({
        name,
        endpoints: endpointsFor(name),
      })),
    credentials,
    tlsFor,
    clientEndpoint: (endpoint, written) => ({
      host: endpoint.registry,
      repository: endpoint.repository,
      insecure: endpoint.insecure,
      mayUsePlainHttp: endpoint.mayUsePlainHttp,
      tls: tlsFor(endpoint).tls,
      credentials: (signal) =>
        credentials.find(endpoint, written, signal === undefined ? {} : { signal }),
      ...(endpoint.namespace === undefined ? {} : { namespace: endpoint.namespace }),
    }),
  };
}

async function readRegistries(
  root: ConfigRoot,
  env: ConfigEnvironment,
  option: string | undefined,
): Promise<RegistriesConfig> {
  const search = planRegistriesSearch(env, option);
  const folders = search.dropInFolders.map((folder) => ({
    folder,
    names: root.tryListNames(folder) ?? [],
  }));
  const main = firstFile(root, search.main, search.mainMustExist);
  const files = [
    ...(main === undefined ? [] : [main]),
    ...orderDropIns(folders, '.conf').map((path) => root.readFile(path)),
    ...(search.override === undefined ? [] : [root.readFile(search.override)]),
  ];
  const learnt = root.tryReadFile(search.aliasCache);
  const parsed: RegistriesFile[] = [];
  for (const file of files) parsed.push(await parseRegistriesFile(file));
  const aliases = learnt === undefined ? undefined : await parseAliasCache(learnt);
  return mergeRegistries(parsed, aliases);
}

function firstFile(
  root: ConfigRoot,
  paths: readonly string[],
  mustExist: boolean,
): ConfigFile | undefined {
  for (const path of paths) {
    const file = mustExist ? root.readFile(path) : root.tryReadFile(path);
    if (file !== undefined) return file;
  }
  return undefined;
}
