import { FormatError, NotFoundError } from '#base/errors';
import {
  AUTH_FILES_HELPER,
  type AuthFile,
  type ConfigEnvironment,
  DOCKER_HUB,
  encodeWithEntry,
  encodeWithoutEntries,
  encodeWithoutEntry,
  findCredentials,
  parseAuthFile,
} from '#formats/containers-config';
import { isRegistryHost, isShortName, parseImageName } from '#formats/oci';
import type { Endpoint, RegistrySettings } from '#remotes/registry';
import { type ConfigRoot, configNotFound } from './config-root.ts';
import { eraseByHelper, failed, type HelperQuestion, storeByHelper } from './credential-helpers.ts';
import type { RegistryConfiguration } from './open.ts';
import { replacePrivateFile } from './private-file.ts';

/** Verifies the credentials of an endpoint at the registry; throws if they are wrong. */
export interface LoginVerifier {
  verifyLogin(endpoint: Endpoint, options: { readonly signal?: AbortSignal }): Promise<void>;
}

/** Verifies a login at the registry itself. */
export function createLoginVerifier(settings: RegistrySettings = {}): LoginVerifier {
  return {
    async verifyLogin(endpoint, options) {
      // Loaded on demand: judging a local image does not need the client.
      const { RegistryRepository } = await import('#remotes/registry');
      await using repository = new RegistryRepository([endpoint], settings);
      await repository.verifyLogin(options);
    },
  };
}

/** Options of login and logout. */
export interface LoginContext {
  readonly root: ConfigRoot;
  readonly env: ConfigEnvironment;
  readonly configuration: RegistryConfiguration;
  readonly signal?: AbortSignal;
}

/** What login stored. */
export interface LoginReport {
  /** Key as the user typed it, without scheme. */
  readonly key: string;
  readonly storedIn: { readonly file: string } | { readonly helper: string };
  /** Credentials for this key were already there. */
  readonly hasReplaced: boolean;
}

/** What logout removed. */
export interface LogoutReport {
  readonly key: string;
  readonly removedFrom: { readonly file: string } | { readonly helper: string };
}

/**
 * Verifies a name and password at the registry, then stores them: with the helper of this host, else in auth.json (0600, written beside and
 * renamed, all other keys kept). Nothing is stored when the registry refuses.
 * @param registry host, or host and namespace
 * @throws FormatError REFERENCE_INVALID, CONFIG_INVALID; HostError CREDENTIAL_HELPER_FAILED; UnsupportedError REGISTRY_BLOCKED; what
 * the verifier throws
 */
export async function login(
  context: LoginContext,
  registry: string,
  pair: { readonly user: string; readonly password: string },
  verifier: LoginVerifier = createLoginVerifier(),
): Promise<LoginReport> {
  const scope = parseLoginKey(registry);
  const { configuration, signal } = context;
  const options = signal === undefined ? {} : { signal };
  const place = configuration.pushEndpointFor({
    registry: scope.registry,
    repository: scope.repository ?? 'any',
  });
  const endpoint: Endpoint = {
    ...configuration.clientEndpoint(place, ''),
    credentials: () => ({ credentials: { kind: 'password', ...pair }, source: 'the login' }),
  };
  await verifier.verifyLogin(endpoint, options);
  const before = await configuration.credentials.find(scope, '', {
    ...options,
    ignoresMissing: true,
  });
  const hasReplaced = before !== undefined;
  const { key } = scope;
  const keepers = keepersFor(context, scope);
  for (const keeper of keepers) {
    if (keeper === AUTH_FILES_HELPER) {
      const file = configuration.credentials.search.writeTo;
      replacePrivateFile(context.root, file, (text) =>
        encodeWithEntry(parseIfAny(file, text), key, pair),
      );
      return { key, storedIn: { file }, hasReplaced };
    }
    const isStored = await storeByHelper(question(context, keeper, scope.registry), pair);
    if (isStored) return { key, storedIn: { helper: keeper }, hasReplaced };
  }
  const [helper = ''] = [...keepers, ...configuration.credentials.helpers];
  const found = scope.repository === undefined ? 'no program of any helper' : 'a namespace';
  throw failed(question(context, helper, key), 'store', found);
}

/**
 * Removes exactly this key, never those of its namespaces. An entry of another file is left, with an error that names it.
 * @throws FormatError REFERENCE_INVALID, CONFIG_INVALID; NotFoundError LOGIN_NOT_FOUND; HostError CREDENTIAL_HELPER_FAILED
 */
export async function logout(context: LoginContext, registry: string): Promise<LogoutReport> {
  const scope = parseLoginKey(registry);
  const { key } = scope;
  const file = context.configuration.credentials.search.writeTo;
  const keepers = keepersFor(context, scope);
  for (const keeper of keepers) {
    if (keeper !== AUTH_FILES_HELPER) {
      const isErased = await eraseByHelper(question(context, keeper, scope.registry));
      if (isErased) return { key, removedFrom: { helper: keeper } };
    } else if (removeFromFile(context, file, key)) return { key, removedFrom: { file } };
  }
  const place = keepers.includes(AUTH_FILES_HELPER) ? file : keepers.join(', ');
  throw notLoggedIn(key, place, otherFileWith(context, scope));
}

function removeFromFile(context: LoginContext, file: string, key: string): boolean {
  let isRemoved = false;
  replacePrivateFile(context.root, file, (text) => {
    const parsed = parseIfAny(file, text);
    const without = parsed === undefined ? undefined : encodeWithoutEntry(parsed, key);
    isRemoved = without !== undefined;
    return without;
  });
  return isRemoved;
}

/**
 * Removes every entry of auth.json; other keys are kept. Returns the file. @throws FormatError CONFIG_INVALID; NotFoundError
 * CONFIG_NOT_FOUND
 */
export function logoutAll(context: LoginContext): string {
  const file = context.configuration.credentials.search.writeTo;
  replacePrivateFile(context.root, file, (text) => {
    const parsed = parseIfAny(file, text);
    if (parsed === undefined) throw configNotFound(file);
    return encodeWithoutEntries(parsed);
  });
  return file;
}

interface LoginKey {
  readonly key: string;
  readonly registry: string;
  readonly repository?: string;
}

/** `HOST[:PORT][/NAMESPACE]`; a scheme and a slash at the end are dropped. @throws FormatError REFERENCE_INVALID */
function parseLoginKey(text: string): LoginKey {
  const key = text.replace(/^https?:\/\//, '').replace(/\/+$/, '');
  const [host = ''] = key.split('/', 1);
  if (isRegistryHost(host) && host === key) return { key, registry: hostOf(host) };
  if (isRegistryHost(host) && !isShortName(key)) {
    const { tag, digest } = parseImageName(key);
    const repository = key.slice(host.length + 1);
    if (tag === undefined && digest === undefined) {
      return { key, registry: hostOf(host), repository };
    }
  }
  throw new FormatError(
    'REFERENCE_INVALID',
    `Cannot log in to "${text.slice(0, 200)}": expected HOST or HOST/NAMESPACE, found another text`,
    { offset: 0, what: 'registry' },
  );
}

/** The other names of Docker Hub are the same host. */
function hostOf(host: string): string {
  return /^(?:index|registry-1)\.docker\.io$/.test(host) ? DOCKER_HUB : host;
}

/**
 * What keeps credentials of this host, in order: the helpers of registries.conf, and auth.json at its place among them, or in its place the
 * helper that it names for this host. Helpers know hosts alone.
 */
function keepersFor(context: LoginContext, scope: LoginKey): readonly string[] {
  const { search, helpers } = context.configuration.credentials;
  if (scope.repository !== undefined) return helpers.filter((one) => one === AUTH_FILES_HELPER);
  const file = context.root.tryReadFile(search.writeTo);
  const own = file === undefined ? '' : parseAuthFile(file).credHelpers.get(scope.registry);
  if (own === undefined || own === '') return helpers;
  return helpers.map((one) => (one === AUTH_FILES_HELPER ? own : one));
}

function otherFileWith(context: LoginContext, scope: LoginKey): string | undefined {
  const { search } = context.configuration.credentials;
  for (const { path, isLegacy } of search.files) {
    const file = path === search.writeTo ? undefined : context.root.tryReadFile(path);
    if (file === undefined) continue;
    if (findCredentials(parseAuthFile(file, isLegacy), scope) !== undefined) return file.name;
  }
  return undefined;
}

function parseIfAny(name: string, text: string | undefined): AuthFile | undefined {
  return text === undefined ? undefined : parseAuthFile({ name, text });
}

function question(context: LoginContext, helper: string, server: string): HelperQuestion {
  return { helper, server, env: context.env, signal: context.signal };
}

function notLoggedIn(key: string, place: string, other: string | undefined): NotFoundError {
  return new NotFoundError(
    'LOGIN_NOT_FOUND',
    `Cannot log out of "${key}": expected an entry in "${place}", found none`,
    { key, place, ...(other === undefined ? {} : { other }) },
    other === undefined
      ? {}
      : { hint: `"${other}" has credentials for it: remove them with --authfile "${other}"` },
  );
}
