import { type ContentDigest, parseContentDigest } from '#base/digest';
import { FormatError } from '#base/errors';

/** An image that a registry serves: `docker://HOST/NAME[:TAG|@DIGEST]`. */
export interface RegistryReference {
  readonly transport: 'docker';
  /** Host and optional port; `docker.io` when the reference has none. */
  readonly registry: string;
  /** Name inside the registry, with `library/` added to single names of `docker.io`. */
  readonly repository: string;
  /** `latest` when neither a tag nor a digest is given. */
  readonly tag?: string;
  readonly digest?: ContentDigest;
}

/** An image in a file or directory of an OCI or Docker layout. At most one of tag, digest and index is present. */
export interface LocalReference {
  readonly transport: 'oci' | 'oci-archive' | 'docker-archive' | 'dir';
  readonly path: string;
  /** Tag, or for `docker-archive:` a tag or a whole `name:tag`. */
  readonly tag?: string;
  readonly digest?: ContentDigest;
  /** Position among the images, from 0: `@N` in the place of the tag. */
  readonly index?: number;
}

/**
 * `ostree:URL:REF` (over HTTP) or `ostree-local:PATH:REF`; without the REF the repository as a whole. Digits right behind a host are
 * its port, never a ref.
 */
export interface OstreeReference {
  readonly transport: 'ostree' | 'ostree-local';
  /** URL or path of the OSTree repository; `mirrorlist=URL` is the URL of a list of mirrors. */
  readonly location: string;
  readonly ref?: string;
}

/** `containers-storage:[DRIVER@ROOT[+RUN]]NAME`; what is absent is found by the usual search. */
export interface ContainersReference {
  readonly transport: 'containers-storage';
  readonly driver?: string;
  readonly graphRoot?: string;
  readonly runRoot?: string;
  /** Name or image id. */
  readonly name: string;
}

/** `composefs:REPO:NAME`: an image of another composefs repository. */
export interface ComposefsReference {
  readonly transport: 'composefs';
  readonly path: string;
  readonly name: string;
}

/** A bare word: an image name in the repository at hand. `@sha256:…`: a manifest digest in it. */
export type StoredReference =
  | { readonly transport: 'stored'; readonly name: string }
  | { readonly transport: 'stored'; readonly digest: ContentDigest };

/** Every way to name an image. */
export type ImageReference =
  | RegistryReference
  | LocalReference
  | OstreeReference
  | ContainersReference
  | ComposefsReference
  | StoredReference;

const LOCAL_TRANSPORTS = ['oci', 'oci-archive', 'docker-archive', 'dir'] as const;

/**
 * Parses a reference (the grammar of the types above). Paths are kept as written.
 * - `oci:` and `oci-archive:` take as tag what follows the last colon after the last slash, as composefs-rs does;
 *   `docker-archive:` what follows the first colon, as skopeo does, because Docker names hold colons and slashes.
 * - `@N` in place of the tag is a position, `@sha256:…` a manifest digest.
 * @throws FormatError REFERENCE_INVALID
 */
export function parseReference(text: string): ImageReference {
  if (text === '') throw invalid(text, 'a name', 'nothing');
  if (text.startsWith('@')) return { transport: 'stored', digest: digestIn(text, text.slice(1)) };
  if (text.startsWith('docker://')) return parseRegistry(text, text.slice('docker://'.length));
  const cut = text.indexOf(':');
  const scheme = cut < 0 ? '' : text.slice(0, cut);
  const rest = text.slice(cut + 1);
  const local = LOCAL_TRANSPORTS.find((transport) => transport === scheme);
  if (local !== undefined) return parseLocal(text, local, rest);
  switch (scheme) {
    case 'ostree':
    case 'ostree-local':
      return parseOstree(text, scheme, rest);
    case 'containers-storage':
      return parseContainers(text, rest);
    case 'composefs': {
      const colon = rest.indexOf(':');
      const path = rest.slice(0, Math.max(0, colon));
      const name = rest.slice(colon + 1);
      if (path === '' || name === '') throw invalid(text, 'REPO:NAME', `"${rest}"`);
      return { transport: 'composefs', path, name };
    }
    case 'docker':
      throw invalid(text, 'docker://HOST/NAME', `"${text}"`);
    default:
      return parseStored(text);
  }
}

/** The canonical text of a reference; `parseReference` of it gives the same value. */
export function formatReference(reference: ImageReference): string {
  switch (reference.transport) {
    case 'docker':
      return `docker://${reference.registry}/${reference.repository}${suffix(reference)}`;
    case 'ostree':
    case 'ostree-local':
      return `${reference.transport}:${reference.location}${reference.ref === undefined ? '' : `:${reference.ref}`}`;
    case 'containers-storage':
      return `containers-storage:${storeSpecifier(reference)}${reference.name}`;
    case 'composefs':
      return `composefs:${reference.path}:${reference.name}`;
    case 'stored':
      return 'digest' in reference ? `@${reference.digest}` : reference.name;
    default:
      return `${reference.transport}:${reference.path}${localSuffix(reference)}`;
  }
}

/** Limits of names in registries. Source: distribution reference grammar, `name`, `tag`, `digest`. */
const REPOSITORY =
  /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
const REPOSITORY_MAX_LENGTH = 255;

function parseRegistry(text: string, rest: string): RegistryReference {
  const at = rest.indexOf('@');
  const digest = at < 0 ? undefined : digestIn(text, rest.slice(at + 1));
  const named = at < 0 ? rest : rest.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  const { registry, repository } = splitHost(hasTag ? named.slice(0, colon) : named);
  if (!HOST.test(registry)) throw invalid(text, 'a host', `"${registry}"`);
  if (!REPOSITORY.test(repository) || repository.length > REPOSITORY_MAX_LENGTH) {
    throw invalid(text, 'a lower-case image name', `"${repository}"`);
  }
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, 'a tag', `"${tag}"`);
  const base = { transport: 'docker', registry, repository } as const;
  if (digest !== undefined)
    return tag === undefined ? { ...base, digest } : { ...base, tag, digest };
  return { ...base, tag: tag ?? 'latest' };
}

/** The first part is a host when it looks like one; else the image is Docker Hub's. Source: distribution reference, normalize. */
function splitHost(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  if (!/[.:]/.test(first) && first !== 'localhost') {
    return { registry: 'docker.io', repository: slash < 0 ? `library/${name}` : name };
  }
  const repository = name.slice(slash + 1);
  const isSingleHubName = first === 'docker.io' && !repository.includes('/');
  return { registry: first, repository: isSingleHubName ? `library/${repository}` : repository };
}

function parseLocal(
  text: string,
  transport: LocalReference['transport'],
  rest: string,
): LocalReference {
  const { path, selector } =
    transport === 'dir' ? { path: rest, selector: undefined } : splitSelector(transport, rest);
  if (path === '') throw invalid(text, 'a path', 'nothing');
  if (path.includes('\0')) throw invalid(text, 'a path', 'a NUL byte');
  if (selector === undefined) return { transport, path };
  if (selector === '') throw invalid(text, 'a tag after the colon', 'nothing');
  if (/^@[0-9]{1,6}$/.test(selector)) return { transport, path, index: Number(selector.slice(1)) };
  if (selector.startsWith('@')) {
    return { transport, path, digest: digestIn(text, selector.slice(1)) };
  }
  return { transport, path, tag: selector };
}

function splitSelector(
  transport: LocalReference['transport'],
  rest: string,
): { path: string; selector: string | undefined } {
  const digestAt = rest.search(/:?@(?:sha256|sha384|sha512):[0-9a-fA-F]*$/);
  if (digestAt >= 0) {
    const selector = rest.slice(rest.indexOf('@', digestAt));
    return { path: rest.slice(0, digestAt), selector };
  }
  const colon = transport === 'docker-archive' ? rest.indexOf(':') : rest.lastIndexOf(':');
  const hasSelector =
    colon >= 0 && (transport === 'docker-archive' || colon > rest.lastIndexOf('/'));
  return hasSelector
    ? { path: rest.slice(0, colon), selector: rest.slice(colon + 1) }
    : { path: rest, selector: undefined };
}

function parseOstree(
  text: string,
  transport: OstreeReference['transport'],
  rest: string,
): OstreeReference {
  const isWhole = transport === 'ostree' ? WHOLE_REMOTE.test(rest) : /^[^:]+$/.test(rest);
  const [location, ref] = isWhole
    ? [rest, undefined]
    : splitLast(text, rest, transport === 'ostree' ? 'URL[:REF]' : 'PATH[:REF]');
  if (transport === 'ostree' && !/^(?:mirrorlist=)?https?:\/\/[^/]/.test(location)) {
    throw invalid(text, 'an http or https URL', `"${location}"`);
  }
  return ref === undefined ? { transport, location } : { transport, location, ref };
}

/** A URL with no colon but those of its scheme, its address and its port. */
const WHOLE_REMOTE =
  /^https?:\/\/(?:[^/@]*@)?(?:[^/:[\]]+|[^/:[\]]*\[[^/\]]*\])(?::\d+)?(?:\/[^:]*)?$/;

function parseContainers(text: string, rest: string): ContainersReference {
  if (!rest.startsWith('[')) {
    if (rest === '') throw invalid(text, 'an image name', 'nothing');
    return { transport: 'containers-storage', name: rest };
  }
  const end = rest.indexOf(']');
  const match =
    end < 0 ? null : /^(?:([a-z0-9]+)@)?(\/[^+\]]*)(?:\+(\/[^\]]*))?$/.exec(rest.slice(1, end));
  const name = rest.slice(end + 1);
  if (match?.[2] === undefined || name === '') {
    throw invalid(text, '[DRIVER@ROOT+RUN]NAME', `"${rest}"`);
  }
  return {
    transport: 'containers-storage',
    name,
    graphRoot: match[2],
    ...(match[1] === undefined ? {} : { driver: match[1] }),
    ...(match[3] === undefined ? {} : { runRoot: match[3] }),
  };
}

/** An image name in the repository: any text without control characters (names may hold colons and slashes). */
function parseStored(text: string): StoredReference {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//.exec(text);
  if (scheme !== null) throw invalid(text, 'a known transport', `"${scheme[0]}"`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text)) throw invalid(text, 'a name', 'control characters');
  return { transport: 'stored', name: text };
}

/** Splits at the last colon; both halves must be there. */
function splitLast(text: string, rest: string, grammar: string): [string, string] {
  const colon = rest.lastIndexOf(':');
  const head = rest.slice(0, Math.max(0, colon));
  const tail = rest.slice(colon + 1);
  if (head === '' || tail === '' || tail.startsWith('//')) {
    throw invalid(text, grammar, `"${rest}"`);
  }
  return [head, tail];
}

function suffix(reference: RegistryReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  return reference.digest === undefined ? tag : `${tag}@${reference.digest}`;
}

function localSuffix(reference: LocalReference): string {
  if (reference.digest !== undefined) return `:@${reference.digest}`;
  if (reference.index !== undefined) return `:@${reference.index}`;
  return reference.tag === undefined ? '' : `:${reference.tag}`;
}

function storeSpecifier(reference: ContainersReference): string {
  if (reference.graphRoot === undefined) return '';
  const driver = reference.driver === undefined ? '' : `${reference.driver}@`;
  const run = reference.runRoot === undefined ? '' : `+${reference.runRoot}`;
  return `[${driver}${reference.graphRoot}${run}]`;
}

function digestIn(text: string, digest: string): ContentDigest {
  try {
    return parseContentDigest(digest);
  } catch (cause) {
    throw invalid(text, 'a digest after the @', `"${digest}"`, cause);
  }
}

function invalid(text: string, expected: string, found: string, cause?: unknown): FormatError {
  return new FormatError(
    'REFERENCE_INVALID',
    `Cannot parse reference "${text.slice(0, 200)}": expected ${expected}, found ${found.slice(0, 200)}`,
    { offset: 0, what: 'reference', expected, found: found.slice(0, 200) },
    cause === undefined ? {} : { cause },
  );
}
