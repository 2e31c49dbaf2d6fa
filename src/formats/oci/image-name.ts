import { algorithmOf, type ContentDigest, hexOf, parseContentDigest } from '#base/digest';
import { FormatError } from '#base/errors';

/** The normalised name of an image in a registry: the host is always present; Docker Hub's host is `docker.io`. */
export interface ImageName {
  /** Host and optional port. */
  readonly registry: string;
  /** Name inside the registry, with `library/` added to single names of `docker.io`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: ContentDigest;
}

/** Limits of names in registries. Source: distribution reference grammar, `name`, `tag`, `digest`. */
const REPOSITORY =
  /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const HOST = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?$`);
/** Host, slash and repository together. Source: distribution reference, NameTotalLengthMax. */
const NAME_MAX_LENGTH = 255;
/** An image id, which the grammar would parse as a name. Source: distribution reference, ParseNormalizedNamed. */
const IMAGE_ID = /^[0-9a-f]{64}$/;
/** Docker Hub's other name. Source: distribution reference, normalize. */
const HUB_ALIAS = 'index.docker.io';

/**
 * Parses `[HOST[:PORT]/]PATH[:TAG][@DIGEST]` and normalises it; no tag is added.
 * Source: distribution reference, ParseNormalizedNamed.
 * @throws FormatError REFERENCE_INVALID
 */
export function parseImageName(text: string): ImageName {
  const at = text.indexOf('@');
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  const name = hasTag ? named.slice(0, colon) : named;
  if (IMAGE_ID.test(name)) throw invalidReference(text, 'an image name', 'an image id');
  const { registry, repository } = normalize(name);
  if (!isRegistryHost(registry)) throw invalidReference(text, 'a host', `"${registry}"`);
  if (!REPOSITORY.test(repository)) {
    throw invalidReference(text, 'a lower-case image name', `"${repository}"`);
  }
  const length = registry.length + 1 + repository.length;
  if (length > NAME_MAX_LENGTH) {
    throw invalidReference(
      text,
      `a name of at most ${NAME_MAX_LENGTH} characters`,
      `${length} characters`,
    );
  }
  if (tag !== undefined && !TAG.test(tag)) throw invalidReference(text, 'a tag', `"${tag}"`);
  return {
    registry,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(at < 0 ? {} : { digest: registryDigest(text, text.slice(at + 1)) }),
  };
}

/** The canonical text of a name; `parseImageName` parses it to the same value. */
export function formatImageName(name: ImageName): string {
  const tag = name.tag === undefined ? '' : `:${name.tag}`;
  const digest = name.digest === undefined ? '' : `@${name.digest}`;
  return `${name.registry}/${name.repository}${tag}${digest}`;
}

/** True for a host with an optional port, as at the start of a reference. */
export function isRegistryHost(text: string): boolean {
  return HOST.test(text);
}

/** True for lower-case components joined by slashes, as in a repository name. */
export function isRepositoryPath(text: string): boolean {
  return REPOSITORY.test(text);
}

/**
 * True when a name has no host: its first component contains neither `.` nor `:`, and is not `localhost`. Upper case does not make a host: skopeo
 * 1.22 rejects `docker://REG/name`. Source: distribution reference, normalize, splitDockerDomain.
 */
export function isShortName(text: string): boolean {
  const slash = text.indexOf('/');
  return slash < 0 || !looksLikeHost(text.slice(0, slash));
}

function looksLikeHost(component: string): boolean {
  return /[.:]/.test(component) || component === 'localhost';
}

function normalize(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const hasHost = slash >= 0 && looksLikeHost(first);
  const registry = !hasHost || first === HUB_ALIAS ? 'docker.io' : first;
  const path = hasHost ? name.slice(slash + 1) : name;
  const isSingleHubName = registry === 'docker.io' && !path.includes('/');
  return { registry, repository: isSingleHubName ? `library/${path}` : path };
}

/** Registries know sha256 and sha512. Source: image-spec descriptor.md, "Registered algorithms". */
function registryDigest(text: string, digest: string): ContentDigest {
  const parsed = digestIn(text, digest);
  if (!parsed.startsWith('sha384:')) return parsed;
  throw invalidReference(text, 'a sha256 or sha512 digest', 'sha384');
}

/** The digest after the `@` of a reference. @throws FormatError REFERENCE_INVALID */
export function digestIn(text: string, digest: string): ContentDigest {
  try {
    return parseContentDigest(digest);
  } catch (cause) {
    throw invalidReference(text, 'a digest after the @', `"${digest}"`, { cause });
  }
}

/** The error for any part of a reference. */
export function invalidReference(
  text: string,
  expected: string,
  found: string,
  extras: { readonly cause?: unknown; readonly hint?: string } = {},
): FormatError {
  return new FormatError(
    'REFERENCE_INVALID',
    `Cannot parse reference "${text.slice(0, 200)}": expected ${expected}, found ${found.slice(0, 200)}`,
    { offset: 0, what: 'reference', expected, found: found.slice(0, 200) },
    extras,
  );
}

/**
 * The tag under which clients store the referrers of a manifest when the registry has no referrers API.
 * Source: distribution-spec 1.1, "Referrers tag schema": algorithm cut to 32, hex to 64 characters.
 */
export function referrersTag(subject: ContentDigest): string {
  return `${algorithmOf(subject).slice(0, 32)}-${hexOf(subject).slice(0, 64)}`;
}
