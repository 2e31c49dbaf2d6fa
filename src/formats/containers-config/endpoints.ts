import { UnsupportedError } from '#base/errors';
import { formatImageName, type ImageName, parseImageName } from '#formats/oci';
import { configInvalid } from './config-file.ts';
import { DOCKER_HUB, DOCKER_HUB_HOST } from './layout.ts';
import type { RegistriesConfig } from './registries.ts';
import type { RegistryTable } from './registries-file.ts';

/** One endpoint for requests about an image. It has its own credentials, certificates and tokens. */
export interface ImageEndpoint {
  /** Host and port as written in the file or reference, `docker.io` for Docker Hub: the key of credentials and of certs.d. */
  readonly registry: string;
  /** Host and port for requests: `registry-1.docker.io` for Docker Hub. */
  readonly host: string;
  readonly repository: string;
  readonly by: 'tag' | 'digest';
  readonly value: string;
  /** TLS is tried first, but certificates are not verified. */
  readonly insecure: boolean;
  /** Plain HTTP may be used after TLS failed: insecure endpoints, and loopback hosts as written. */
  readonly mayUsePlainHttp: boolean;
  readonly isMirror: boolean;
  /** Original host for the query `ns` of a mirror that serves many registries. */
  readonly namespace?: string;
}

/** Options of choosing endpoints. */
export interface EndpointOptions {
  /** True makes every endpoint secure, false every endpoint insecure; default: as the files configure it. */
  readonly tlsVerify?: boolean;
}

/**
 * Returns the endpoints of a pull, in order: mirrors in the order of their file, then the location, or the name itself. A tag beside a digest is
 * dropped. Source: containers-registries.conf(5); the order was recorded with skopeo 1.22 and podman 5.8. Unlike those, onecopy does not use
 * mirrors of a blocked registry either, and uses a mirror that equals the primary once.
 * @throws UnsupportedError REGISTRY_BLOCKED; FormatError CONFIG_INVALID when a rewritten name is invalid
 */
export function chooseEndpoints(
  config: RegistriesConfig,
  name: ImageName,
  options: EndpointOptions = {},
): readonly ImageEndpoint[] {
  const asked = completeName(name);
  const table = findTable(config, asked);
  if (table === undefined) return [endpoint(asked, { insecure: false }, options)];
  requireAllowed(table, asked);
  const by = asked.digest === undefined ? 'tag-only' : 'digest-only';
  const mirrors = table.mirrors
    .filter(({ pullFromMirror }) => pullFromMirror === 'all' || pullFromMirror === by)
    .map((mirror) => ({ mirror, name: rewrite(table, asked, mirror.location) }))
    .filter(({ name: rewritten }) => findTable(config, rewritten)?.blocked !== true)
    .map(({ mirror, name: rewritten }) => ({
      ...endpoint(rewritten, mirror, options),
      isMirror: true,
      ...(mirror.wantsNamespace ? { namespace: asked.registry } : {}),
    }));
  const location = table.location === '' ? asked : rewrite(table, asked, table.location);
  const other = findTable(config, location);
  if (other !== undefined) requireAllowed(other, location);
  return withoutRepeats([...mirrors, endpoint(location, table, options)]);
}

/**
 * Returns the endpoint of a push, a list of tags, a deletion or a login: the name itself, never a mirror or another location.
 * @throws UnsupportedError REGISTRY_BLOCKED
 */
export function choosePushEndpoint(
  config: RegistriesConfig,
  name: ImageName,
  options: EndpointOptions = {},
): ImageEndpoint {
  const asked = completeName(name);
  const table = findTable(config, asked);
  if (table !== undefined) requireAllowed(table, asked);
  return endpoint(asked, table ?? { insecure: false }, options);
}

/** True when a table blocks the name. */
export function isBlocked(config: RegistriesConfig, name: ImageName): boolean {
  return findTable(config, name)?.blocked === true;
}

/** Finds the table with the longest prefix of a name; ignores tag and digest. */
function findTable(config: RegistriesConfig, name: ImageName): RegistryTable | undefined {
  let best: RegistryTable | undefined;
  for (const table of config.tables) {
    if (matchedLength(table.prefix, name) === 0) continue;
    if (best === undefined || table.prefix.length > best.prefix.length) best = table;
  }
  return best;
}

/** Number of characters of the name that a prefix covers; 0 without a match. A match ends at the end of a component or of the host. */
function matchedLength(prefix: string, name: ImageName): number {
  if (prefix.startsWith('*.')) {
    const host = name.registry.replace(/:[0-9]+$/, '');
    const end = prefix.slice(1);
    return host.endsWith(end) && host.length > end.length ? host.length : 0;
  }
  const text = `${name.registry}/${name.repository}`;
  if (!text.startsWith(prefix)) return 0;
  return text.length === prefix.length || /[/:@]/.test(text.charAt(prefix.length))
    ? prefix.length
    : 0;
}

function rewrite(table: RegistryTable, name: ImageName, location: string): ImageName {
  const text = formatImageName(name);
  const rewritten = `${location}${text.slice(matchedLength(table.prefix, name))}`;
  try {
    const parsed = parseImageName(rewritten);
    if (formatImageName(parsed) === rewritten) return parsed;
  } catch (cause) {
    throw notAName(table, text, rewritten, cause);
  }
  throw notAName(table, text, rewritten);
}

function notAName(table: RegistryTable, from: string, to: string, cause?: unknown): Error {
  return configInvalid(table.file, {
    expected: `prefix "${table.prefix}" to make a full name of "${from}"`,
    found: `"${to}"`,
    cause,
  });
}

function endpoint(
  name: ImageName,
  by: { readonly insecure: boolean },
  options: EndpointOptions,
): ImageEndpoint {
  const insecure = options.tlsVerify === undefined ? by.insecure : !options.tlsVerify;
  const isLoopback = options.tlsVerify !== true && isLoopbackHost(name.registry);
  return {
    registry: name.registry,
    host: name.registry === DOCKER_HUB ? DOCKER_HUB_HOST : name.registry,
    repository: name.repository,
    ...(name.digest === undefined
      ? { by: 'tag', value: name.tag ?? 'latest' }
      : { by: 'digest', value: name.digest }),
    insecure,
    mayUsePlainHttp: insecure || isLoopback,
    isMirror: false,
  };
}

/** True for 127.0.0.0/8, `::1` and `localhost` as written: names are never resolved for this. */
export function isLoopbackHost(registry: string): boolean {
  return /^(?:localhost|127(?:\.(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})){3}|\[::1\])(?::[0-9]+)?$/.test(
    registry,
  );
}

/** The complete name, for requests and for a policy: `latest` if it has neither tag nor digest, without the tag if it has both. */
export function completeName(name: ImageName): ImageName {
  const { registry, repository, tag, digest } = name;
  if (digest !== undefined) return { registry, repository, digest };
  return { registry, repository, tag: tag ?? 'latest' };
}

function withoutRepeats(all: readonly ImageEndpoint[]): readonly ImageEndpoint[] {
  const key = ({ host, repository, insecure }: ImageEndpoint) =>
    `${host}/${repository} ${insecure}`;
  const seen = new Set<string>();
  return all.filter((one) => {
    const isNew = !seen.has(key(one));
    seen.add(key(one));
    return isNew;
  });
}

function requireAllowed(table: RegistryTable, name: ImageName): void {
  if (!table.blocked) return;
  throw new UnsupportedError(
    'REGISTRY_BLOCKED',
    `Cannot use "${formatImageName(name)}": expected a registry that is allowed, found "${table.prefix}" blocked by "${table.file}"`,
    { registry: table.prefix, file: table.file },
    { hint: `Remove "blocked = true" from "${table.file}", or use another registry` },
  );
}
