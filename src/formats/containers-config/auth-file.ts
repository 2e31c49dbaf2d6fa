import { decodeBase64 } from '#base/bytes';
import { type ConfigFile, configInvalid, describeValue } from './config-file.ts';
import { DOCKER_HUB, DOCKER_HUB_SERVER, HELPER_NAME } from './layout.ts';

/** Credentials for a registry. */
export type Credentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | {
      /** Exchanged for access tokens; the entry may also have a name and password. */
      readonly kind: 'identity-token';
      readonly token: string;
      readonly user?: string;
      readonly password?: string;
    }
  | {
      /** Sent unchanged. */
      readonly kind: 'registry-token';
      readonly token: string;
    };

/** Scope of a credentials lookup. */
export interface CredentialScope {
  /** Host and port as in the reference, `docker.io` for Docker Hub. */
  readonly registry: string;
  /** Absent for the registry as a whole. */
  readonly repository?: string;
}

/** The entry of one file for a scope: a helper to run, or credentials. */
export type CredentialSource =
  | {
      readonly kind: 'helper';
      /** Without `docker-credential-`. */
      readonly helper: string;
      /** Server name to pass to the helper. */
      readonly server: string;
    }
  | {
      readonly kind: 'entry';
      /** The key in `auths`. */
      readonly key: string;
      readonly credentials: Credentials;
    };

/** A parsed auth.json, config.json or .dockercfg; all keys are kept for writing. */
export interface AuthFile {
  readonly name: string;
  /** Keys of `auths` to their entries, as in the file. */
  readonly entries: ReadonlyMap<string, JsonObject>;
  /** Host to helper; an empty helper means no helper for this host. */
  readonly credHelpers: ReadonlyMap<string, string>;
  /** Docker's helper for every host. */
  readonly credsStore: string | undefined;
  readonly isLegacy: boolean;
  /** The whole document. */
  readonly document: JsonObject;
}

/** An object of JSON. */
export type JsonObject = { readonly [key: string]: unknown };

/**
 * Parses a credentials file. Sources: containers-auth.json(5); Docker's config.json.
 * @throws FormatError CONFIG_INVALID, also for an empty file
 */
export function parseAuthFile(file: ConfigFile, isLegacy = false): AuthFile {
  const document = objectIn(file.name, 'the file', parseJson(file));
  const part = (key: string) => objectIn(file.name, key, fieldOf(document, key));
  const auths = isLegacy ? document : part('auths');
  const helpers = isLegacy ? {} : part('credHelpers');
  const store = isLegacy ? undefined : fieldOf(document, 'credsStore');
  return {
    name: file.name,
    entries: new Map(
      Object.entries(auths).map(([key, entry]) => [
        key,
        objectIn(file.name, `auths "${key}"`, entry),
      ]),
    ),
    credHelpers: new Map(
      Object.entries(helpers).map(([host, helper]) => [host, stringIn(file.name, helper)]),
    ),
    credsStore: store === undefined || store === '' ? undefined : stringIn(file.name, store),
    isLegacy,
    document,
  };
}

/**
 * Finds the entry of this file for a scope; undefined continues the search in the next file. Order: the helper of the host, the keys from the
 * repository up to the host, keys written as URLs, Docker's helper for all hosts. The first existing key decides, even if it is empty.
 * Source: containers-auth.json(5); recorded with skopeo 1.22; `user`, `password`, `registrytoken` and `credsStore` as in Docker.
 * @throws FormatError CONFIG_INVALID for an entry that cannot be read
 */
export function findCredentials(
  file: AuthFile,
  scope: CredentialScope,
): CredentialSource | undefined {
  const helper = file.credHelpers.get(scope.registry);
  if (helper !== undefined && helper !== '') {
    return { kind: 'helper', helper: helperIn(file.name, helper), server: scope.registry };
  }
  const key = findKey(file, scope);
  const credentials = key === undefined ? undefined : readEntry(file, key);
  if (key !== undefined && credentials !== undefined) return { kind: 'entry', key, credentials };
  if (file.credsStore === undefined || helper === '') return undefined;
  const server = scope.registry === DOCKER_HUB ? DOCKER_HUB_SERVER : scope.registry;
  return { kind: 'helper', helper: helperIn(file.name, file.credsStore), server };
}

/** Keys that match a scope, most specific first: whole components, the host last. */
export function keysOfScope(scope: CredentialScope): readonly string[] {
  const keys: string[] = [];
  const parts = scope.repository?.split('/') ?? [];
  for (let count = parts.length; count >= 0; count -= 1) {
    keys.push([scope.registry, ...parts.slice(0, count)].join('/'));
  }
  return keys;
}

function findKey(file: AuthFile, scope: CredentialScope): string | undefined {
  const exact = file.isLegacy ? [] : keysOfScope(scope);
  const found = exact.find((key) => file.entries.has(key));
  if (found !== undefined) return found;
  const wanted = normalizeHost(scope.registry);
  return [...file.entries.keys()].find((key) => hostOfKey(key, file.isLegacy) === wanted);
}

/** Removes the scheme and the path of a key with a scheme. Source: container-libs, normalizeAuthFileKey. */
function hostOfKey(key: string, isLegacy: boolean): string {
  const bare = key.replace(/^https?:\/\//, '');
  const isUrl = isLegacy || bare !== key;
  return normalizeHost(isUrl ? (bare.split('/', 1)[0] ?? '') : bare);
}

function normalizeHost(host: string): string {
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? DOCKER_HUB : host;
}

/** Undefined for an entry without credentials: Docker writes an empty entry beside a helper. */
function readEntry(file: AuthFile, key: string): Credentials | undefined {
  const entry = file.entries.get(key) ?? {};
  const text = (name: string): string => {
    const value = fieldOf(entry, name) ?? '';
    if (typeof value === 'string') return value;
    throw configInvalid(file.name, {
      expected: `a string in ${name} of "${key}"`,
      found: describeValue(value),
    });
  };
  const registryToken = text('registrytoken');
  if (registryToken !== '') return { kind: 'registry-token', token: registryToken };
  const pair =
    text('auth') === ''
      ? pairOf(text('username'), text('password'))
      : decodePair(file, key, text('auth'));
  const token = text('identitytoken');
  if (token !== '') return { kind: 'identity-token', token, ...pair };
  return pair === undefined ? undefined : { kind: 'password', ...pair };
}

interface NameAndPassword {
  readonly user: string;
  readonly password: string;
}

function pairOf(user: string, password: string): NameAndPassword | undefined {
  return user === '' && password === '' ? undefined : { user, password };
}

/** `auth` is the base64 of `user:password`; NULs around the password are padding of old tools. Undefined where both are empty. */
function decodePair(file: AuthFile, key: string, auth: string): NameAndPassword | undefined {
  const bytes = decodeBase64(auth);
  if (bytes === undefined) {
    throw configInvalid(file.name, {
      expected: `base64 in auth of "${key}"`,
      found: 'another text',
    });
  }
  const decoded = Buffer.from(bytes).toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 0) return undefined;
  return pairOf(decoded.slice(0, colon), decoded.slice(colon + 1).replace(/^\0+|\0+$/g, ''));
}

function parseJson(file: ConfigFile): unknown {
  try {
    return JSON.parse(file.text);
  } catch (cause) {
    const found = file.text.trim() === '' ? 'an empty file' : 'something else';
    throw configInvalid(file.name, { expected: 'JSON', found, cause });
  }
}

function objectIn(file: string, what: string, value: unknown): JsonObject {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as JsonObject;
  throw configInvalid(file, { expected: `an object for ${what}`, found: describeValue(value) });
}

/** A value by its key; the case of the key does not matter, as in the parser of podman and Docker. */
function fieldOf(object: JsonObject, key: string): unknown {
  if (Object.hasOwn(object, key)) return object[key];
  const lower = key.toLowerCase();
  return Object.entries(object).findLast(([other]) => other.toLowerCase() === lower)?.[1];
}

function stringIn(file: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw configInvalid(file, { expected: 'the name of a helper', found: describeValue(value) });
}

/** A helper that is about to be started. */
function helperIn(file: string, name: string): string {
  if (HELPER_NAME.test(name)) return name;
  throw configInvalid(file, { expected: 'the name of a helper', found: describeValue(name) });
}
