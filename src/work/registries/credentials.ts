import { hasCode, isOnecopyError } from '#base/errors';
import {
  AUTH_FILES_HELPER,
  type AuthFilePlace,
  type AuthSearch,
  type ConfigEnvironment,
  type CredentialScope,
  findCredentials,
  parseAuthFile,
  planAuthSearch,
} from '#formats/containers-config';
import type { FoundCredentials } from '#remotes/registry';
import type { ConfigRoot } from './config-root.ts';
import { askHelper, failed, type HelperQuestion } from './credential-helpers.ts';

/** Options about who asks. */
export interface CredentialOptions {
  /** `--authfile`: the only file then. */
  readonly authFile?: string;
  /** `--creds`: for the host of the reference alone. */
  readonly creds?: { readonly user: string; readonly password: string };
  /** `--no-creds`: nobody is logged in. */
  readonly noCreds?: boolean;
  /** `--registry-token`: for the host of the reference alone. */
  readonly registryToken?: string;
}

/** How to look up. */
interface FindOptions {
  readonly signal?: AbortSignal | undefined;
  /** A helper that is not installed counts as one that has nothing. */
  readonly ignoresMissing?: boolean;
}

/** What is found in the place of a helper that is not installed. */
const MISSING = 'no such program on PATH';

/** Looks up who asks a registry: options, helpers, files, in podman's order. Each endpoint has credentials of its own. */
export class CredentialSearch {
  /** Where login and logout write, and which files are read. */
  readonly search: AuthSearch;
  readonly warnings: readonly string[];
  readonly #root: ConfigRoot;
  readonly #env: ConfigEnvironment;
  readonly #helpers: readonly string[];
  readonly #options: CredentialOptions;

  constructor(
    root: ConfigRoot,
    env: ConfigEnvironment,
    helpers: readonly string[] | undefined,
    options: CredentialOptions,
  ) {
    this.#root = root;
    this.#env = env;
    this.#helpers = helpers === undefined || helpers.length === 0 ? [AUTH_FILES_HELPER] : helpers;
    this.#options = options;
    const search = planAuthSearch(env, options.authFile);
    const { runtimeFolder } = search;
    const isRuntimeGone = runtimeFolder !== undefined && !root.hasFolder(runtimeFolder);
    this.search = isRuntimeGone
      ? { ...search, files: search.files.filter(({ path }) => path !== search.writeTo) }
      : search;
    this.warnings = isRuntimeGone
      ? [
          `"${runtimeFolder}", which XDG_RUNTIME_DIR names, does not exist; its credentials are not read`,
        ]
      : [];
  }

  /** Helpers to ask, `containers-auth.json` for the files, in order. */
  get helpers(): readonly string[] {
    return this.#helpers;
  }

  /**
   * Credentials for an endpoint; undefined when nobody is logged in.
   * @param written host of the reference: options hold for this host alone, never for a mirror or another location
   * @throws FormatError CONFIG_INVALID for a file that cannot be read; HostError CREDENTIAL_HELPER_FAILED
   */
  async find(
    endpoint: CredentialScope,
    written: string,
    options: FindOptions = {},
  ): Promise<FoundCredentials | undefined> {
    const { creds, noCreds, registryToken } = this.#options;
    if (noCreds === true) return undefined;
    if (endpoint.registry === written && registryToken !== undefined) {
      const credentials = { kind: 'registry-token', token: registryToken } as const;
      return { credentials, source: 'the option --registry-token' };
    }
    if (endpoint.registry === written && creds !== undefined) {
      return { credentials: { kind: 'password', ...creds }, source: 'the option --creds' };
    }
    return await this.#ask(endpoint, options);
  }

  /** Asks one helper after the other; one that fails counts only where no other has anything. */
  async #ask(
    endpoint: CredentialScope,
    { signal, ignoresMissing = false }: FindOptions,
  ): Promise<FoundCredentials | undefined> {
    let failure: unknown;
    for (const helper of this.#helpers) {
      try {
        const found =
          helper === AUTH_FILES_HELPER
            ? await this.#findInFiles(endpoint, signal)
            : await this.#askProgram(helper, endpoint.registry, signal);
        if (found !== undefined) return found;
      } catch (error) {
        if (!isOnecopyError(error)) throw error;
        const isMissing =
          hasCode(error, 'CREDENTIAL_HELPER_FAILED') && error.details['found'] === MISSING;
        if (!isMissing || !ignoresMissing) failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  async #findInFiles(
    scope: CredentialScope,
    signal: AbortSignal | undefined,
  ): Promise<FoundCredentials | undefined> {
    for (const place of this.search.files) {
      const found = await this.#findInFile(place, scope, signal);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #findInFile(
    place: AuthFilePlace,
    scope: CredentialScope,
    signal: AbortSignal | undefined,
  ): Promise<FoundCredentials | undefined> {
    const file = this.#root.tryReadFile(place.path);
    if (file === undefined) return undefined;
    const source = findCredentials(parseAuthFile(file, place.isLegacy), scope);
    if (source === undefined) return undefined;
    if (source.kind === 'entry') {
      return { credentials: source.credentials, source: `"${source.key}" in "${file.name}"` };
    }
    return await this.#askProgram(source.helper, source.server, signal);
  }

  async #askProgram(
    helper: string,
    server: string,
    signal: AbortSignal | undefined,
  ): Promise<FoundCredentials | undefined> {
    const question: HelperQuestion = { helper, server, env: this.#env, signal };
    const credentials = await askHelper(question);
    if (credentials === 'missing') throw failed(question, 'get', MISSING);
    return credentials === undefined ? undefined : { credentials, source: named(helper) };
  }
}

function named(helper: string): string {
  return `the helper docker-credential-${helper}`;
}
