import type { ContentDigest } from '#base/digest';
import {
  digestIn,
  formatImageName,
  type ImageName,
  invalidReference,
  parseImageName,
} from './image-name.ts';

/** An image that a registry serves: `docker://HOST/NAME[:TAG|@DIGEST]`. It has a tag or a digest; `latest` when neither is written. */
export interface RegistryReference extends ImageName {
  readonly transport: 'docker';
}

/** An image in a file or directory of an OCI or Docker layout. At most one of tag, digest and index is present. */
export interface LocalReference {
  readonly transport: 'oci' | 'oci-archive' | 'docker-archive' | 'dir';
  readonly path: string;
  /** Tag, or for `docker-archive:` a tag or a whole `name:tag`. */
  readonly tag?: string;
  readonly digest?: ContentDigest;
  /** Position among the images, from 0: `@N` in place of the tag. */
  readonly index?: number;
}

/**
 * `ostree:URL:REF` (over HTTP) or `ostree-local:PATH:REF`; without REF, the whole repository. Digits right after a host are
 * its port, never a ref.
 */
export interface OstreeReference {
  readonly transport: 'ostree' | 'ostree-local';
  /** URL or path of the OSTree repository; `mirrorlist=URL` is the URL of a list of mirrors. */
  readonly location: string;
  readonly ref?: string;
}

/** `containers-storage:[DRIVER@ROOT[+RUN][:OPTIONS]]NAME`; absent parts are found by the usual search. */
export interface ContainersReference {
  readonly transport: 'containers-storage';
  readonly driver?: string;
  readonly graphRoot?: string;
  readonly runRoot?: string;
  /** Options of the driver, `KEY=VALUE`, separated by commas; an empty list counts as absent. */
  readonly options?: string;
  /** Name or image id. */
  readonly name: string;
}

/** `composefs:REPO:NAME`: an image of another composefs repository. */
export interface ComposefsReference {
  readonly transport: 'composefs';
  readonly path: string;
  readonly name: string;
}

/** A bare word: an image name in the repository. `@sha256:…`: a manifest digest in it. */
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
 * - `oci:` and `oci-archive:`: the tag follows the last colon after the last slash, as in composefs-rs;
 *   `docker-archive:`: it follows the first colon, as in skopeo, because Docker names contain colons and slashes.
 * - `@N` in place of the tag is a position, `@sha256:…` a manifest digest.
 * @throws FormatError REFERENCE_INVALID
 */
export function parseReference(text: string): ImageReference {
  if (text === '') throw invalidReference(text, 'a name', 'nothing');
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
      if (path === '' || name === '') throw invalidReference(text, 'REPO:NAME', `"${rest}"`);
      return { transport: 'composefs', path, name };
    }
    case 'docker':
      throw invalidReference(text, 'docker://HOST/NAME', `"${text}"`, {
        hint: `Write two slashes after the colon: docker://${rest.replace(/^\/+/, '')}`,
      });
    default:
      return parseStored(text);
  }
}

/** The canonical text of a reference; `parseReference` parses it to the same value. */
export function formatReference(reference: ImageReference): string {
  switch (reference.transport) {
    case 'docker':
      return `docker://${formatImageName(reference)}`;
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

function parseRegistry(text: string, rest: string): RegistryReference {
  if (rest === '') throw invalidReference(text, 'HOST/NAME after docker://', 'nothing');
  const { registry, repository, tag, digest } = parseImageName(rest);
  const base = { transport: 'docker', registry, repository } as const;
  if (digest === undefined) return { ...base, tag: tag ?? 'latest' };
  if (tag === undefined) return { ...base, digest };
  throw invalidReference(text, 'a tag or a digest', 'both', {
    hint: `Leave the tag out: docker://${formatImageName({ registry, repository, digest })}`,
  });
}

function parseLocal(
  text: string,
  transport: LocalReference['transport'],
  rest: string,
): LocalReference {
  const { path, selector } =
    transport === 'dir' ? { path: rest, selector: undefined } : splitSelector(transport, rest);
  if (path === '') throw invalidReference(text, 'a path', 'nothing');
  if (path.includes('\0')) throw invalidReference(text, 'a path', 'a NUL byte');
  if (selector === undefined) return { transport, path };
  if (selector === '') throw invalidReference(text, 'a tag after the colon', 'nothing');
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
    throw invalidReference(text, 'an http or https URL', `"${location}"`);
  }
  return ref === undefined ? { transport, location } : { transport, location, ref };
}

/** A URL whose only colons are those of its scheme, address and port. */
const WHOLE_REMOTE =
  /^https?:\/\/(?:[^/@]*@)?(?:[^/:[\]]+|[^/:[\]]*\[[^/\]]*\])(?::\d+)?(?:\/[^:]*)?$/;

/** Driver, graph root, run root and options. Source: containers/image, storage transport, ParseStoreReference. */
const STORE_SPECIFIER = /^(?:([a-z0-9]+)@)?(\/[^+:\]]*)(?:\+(\/[^:\]]*))?(?::([^\]]*))?$/;

function parseContainers(text: string, rest: string): ContainersReference {
  if (!rest.startsWith('[')) {
    if (rest === '') throw invalidReference(text, 'an image name', 'nothing');
    return { transport: 'containers-storage', name: rest };
  }
  const end = rest.indexOf(']');
  const match = end < 0 ? null : STORE_SPECIFIER.exec(rest.slice(1, end));
  const name = rest.slice(end + 1);
  if (match?.[2] === undefined || name === '') {
    throw invalidReference(text, '[DRIVER@ROOT+RUN:OPTIONS]NAME', `"${rest}"`);
  }
  return {
    transport: 'containers-storage',
    name,
    graphRoot: match[2],
    ...(match[1] === undefined ? {} : { driver: match[1] }),
    ...(match[3] === undefined ? {} : { runRoot: match[3] }),
    ...(match[4] === undefined || match[4] === '' ? {} : { options: match[4] }),
  };
}

/** An image name in the repository: any text without control characters (names may hold colons and slashes). */
function parseStored(text: string): StoredReference {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//.exec(text);
  if (scheme !== null) {
    throw invalidReference(text, 'a known transport', `"${scheme[0]}"`, {
      hint: 'A registry is docker://HOST/NAME; others begin with oci:, oci-archive:, docker-archive:, dir:, containers-storage:, ostree: or ostree-local:',
    });
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text))
    throw invalidReference(text, 'a name', 'control characters');
  return { transport: 'stored', name: text };
}

/** Splits at the last colon; both halves must be non-empty. */
function splitLast(text: string, rest: string, grammar: string): [string, string] {
  const colon = rest.lastIndexOf(':');
  const head = rest.slice(0, Math.max(0, colon));
  const tail = rest.slice(colon + 1);
  if (head === '' || tail === '' || tail.startsWith('//')) {
    throw invalidReference(text, grammar, `"${rest}"`);
  }
  return [head, tail];
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
  const options = reference.options === undefined ? '' : `:${reference.options}`;
  return `[${driver}${reference.graphRoot}${run}${options}]`;
}
