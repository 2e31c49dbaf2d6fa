import type { ContentDigest, ObjectId, OstreeChecksum } from '#base/digest';
import { isContentDigest } from '#base/digest';
import { ConflictError, hasCode, NotFoundError } from '#base/errors';
import type { Platform } from '#formats/oci';
import { INDEX_STREAM_PREFIX, MANIFEST_STREAM_PREFIX, type Repository } from '#stores/composefs';
import { listCommits, listPartialCommits, readCommitRef } from '#work/commits';
import { chooseImage, indexStreamName, listOciImages, manifestStreamName } from '#work/image';

/** The target of a name of the repository. */
export type Named = NamedImage | NamedCommit | NamedErofs;

/** An OCI image or artifact. */
export interface NamedImage {
  readonly kind: 'image';
  readonly manifestDigest: ContentDigest;
  /** The tag, if the name was a tag. */
  readonly tag: string | undefined;
}

/** An image index with the images of several platforms. */
export interface NamedIndex {
  readonly kind: 'index';
  readonly indexDigest: ContentDigest;
  /** The tag, if the name was a tag. */
  readonly tag: string | undefined;
}

/** An OSTree commit, complete or partial. */
export interface NamedCommit {
  readonly kind: 'commit';
  readonly commit: OstreeChecksum;
  /** The ref, if the name was a ref. */
  readonly ref: string | undefined;
}

/** A bare EROFS image: given by its id, or by its name below `images/refs`. */
export interface NamedErofs {
  readonly kind: 'erofs';
  readonly imageId: ObjectId;
  /** The name, if the image was given by its name. */
  readonly ref: string | undefined;
}

/** Smallest length of a prefix of an id: a shorter one could be a mistyped name. */
const PREFIX_MIN_DIGITS = 4;
/** Prefixes that select the kind of a name. A name that begins with such a prefix itself takes precedence. */
const SPELLINGS = { image: 'image:', commit: 'commit:', erofs: 'refs/' } as const;

/** What may be chosen of an index. */
export interface PlatformChoice {
  /** Default: of this host. */
  readonly platform?: Platform | undefined;
}

/**
 * As `findWhole`, but of an index the image for a platform. @throws as `findWhole`, `chooseImage`
 */
export function findNamed(
  repository: Repository,
  name: string,
  { platform }: PlatformChoice = {},
): Named {
  const found = findWhole(repository, name);
  if (found.kind !== 'index') return found;
  const manifestDigest = chooseImage(repository, found.indexDigest, platform);
  return { kind: 'image', manifestDigest, tag: undefined };
}

/**
 * Resolves a name: a tag, an OSTree ref, a name below `images/refs`, an id (digest of a manifest or config, checksum of a commit, id of an
 * EROFS image; with or without `@` and `sha256:`), or a unique prefix of an id. `image:NAME`, `commit:NAME` and `refs/NAME` select a kind
 * if several kinds have the name.
 * @throws NotFoundError IMAGE_NOT_FOUND; ConflictError NAME_AMBIGUOUS
 */
export function findWhole(repository: Repository, name: string): Named | NamedIndex {
  const exact = exactlyNamed(repository, name);
  if (exact.length > 0) return theOnly(name, exact, spellingOf);
  const spelled = spelledNamed(repository, name);
  if (spelled !== undefined) return spelled;
  const byId = withIdLike(repository, name);
  if (byId.length > 0) return theOnly(name, byId, idOf);
  throw new NotFoundError(
    'IMAGE_NOT_FOUND',
    `Cannot find "${name}": the repository has no image or commit of this name or id`,
    { name },
    { hint: hintFor(name) },
  );
}

/** What to do about an unknown name: it may be a name and a path, as `cp` takes them. */
function hintFor(name: string): string {
  const [, image, path] = /^([^/]+):(\/.*)$/.exec(name) ?? [];
  if (image === undefined) return 'List all names with: onecopy images';
  return `Write the name and the path as two arguments: ${image} ${path}`;
}

/** Everything that has exactly this name, of any kind. */
export function exactlyNamed(repository: Repository, name: string): (Named | NamedIndex)[] {
  const found: (Named | NamedIndex)[] = [];
  const tag = lenient(() => repository.tags.resolve(name));
  if (tag !== undefined) {
    found.push({ kind: 'image', manifestDigest: tag.manifestDigest, tag: name });
  }
  const index = lenient(() => repository.tags.resolveIndex(name));
  if (index !== undefined) found.push({ kind: 'index', indexDigest: index.indexDigest, tag: name });
  const commit = lenient(() => readCommitRef(repository, name)) ?? partialOf(repository, name);
  if (commit !== undefined) found.push({ kind: 'commit', commit, ref: name });
  const erofs = lenient(() => repository.refs.resolve('images', name))?.id;
  if (erofs !== undefined) found.push({ kind: 'erofs', imageId: erofs, ref: name });
  return found;
}

/** The unambiguous spelling of a name. */
export function spellingOf(named: Named | NamedIndex): string {
  const isTag = named.kind === 'image' || named.kind === 'index';
  const name = isTag ? named.tag : named.ref;
  const kind = isTag ? 'image' : named.kind;
  return name === undefined ? idOf(named) : SPELLINGS[kind] + name;
}

function idOf(named: Named | NamedIndex): string {
  if (named.kind === 'image') return `@${named.manifestDigest}`;
  if (named.kind === 'index') return `@${named.indexDigest}`;
  return named.kind === 'commit' ? named.commit : named.imageId;
}

function theOnly<T extends Named | NamedIndex>(
  name: string,
  found: readonly T[],
  spell: (named: T) => string,
): T {
  const [first, ...others] = found;
  if (first !== undefined && others.length === 0) return first;
  const spellings = found.map(spell);
  throw new ConflictError(
    'NAME_AMBIGUOUS',
    `Cannot find "${name}": expected one image or commit, found ${spellings.join(' and ')}`,
    { name, found: spellings },
    { hint: `Use one of these names: ${spellings.join(', ')}` },
  );
}

function spelledNamed(repository: Repository, name: string): Named | NamedIndex | undefined {
  for (const [kind, prefix] of Object.entries(SPELLINGS)) {
    if (!name.startsWith(prefix)) continue;
    const rest = name.slice(prefix.length);
    const found = exactlyNamed(repository, rest).find((named) => {
      return named.kind === kind || (named.kind === 'index' && kind === 'image');
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Everything whose id equals the text or begins with it. A complete id is looked up; a prefix is compared with all ids. */
function withIdLike(repository: Repository, name: string): (Named | NamedIndex)[] {
  const text = name.startsWith('@') ? name.slice(1) : name;
  if (isContentDigest(text) && repository.streams.has(manifestStreamName(text))) {
    return [{ kind: 'image', manifestDigest: text, tag: undefined }];
  }
  if (isContentDigest(text) && repository.streams.has(indexStreamName(text))) {
    return [{ kind: 'index', indexDigest: text, tag: undefined }];
  }
  const [, algorithm, prefix = ''] = /^(?:(sha256|sha512):)?([0-9a-f]+)$/.exec(text) ?? [];
  if (prefix.length < PREFIX_MIN_DIGITS) return [];
  const images = imagesLike(repository, prefix, algorithm);
  if (name.startsWith('@') || algorithm !== undefined) return images;
  const commits = commitsLike(repository, prefix);
  const erofs = repository.images.list().filter(({ id }) => id.startsWith(prefix));
  return [
    ...images,
    ...commits.map((commit) => ({ kind: 'commit', commit, ref: undefined }) as const),
    ...erofs.map(({ id }) => ({ kind: 'erofs', imageId: id, ref: undefined }) as const),
  ];
}

/** Images whose manifest or config has such a digest, including manifests without a tag. */
function imagesLike(
  repository: Repository,
  prefix: string,
  algorithm = '\\w+',
): (NamedImage | NamedIndex)[] {
  const isLike = (digest: string) => new RegExp(`^${algorithm}:${prefix}`).test(digest);
  const digests = new Set<ContentDigest>();
  const indexes = new Set<ContentDigest>();
  for (const { name } of repository.streams.list()) {
    for (const [prefixOf, set] of [
      [MANIFEST_STREAM_PREFIX, digests],
      [INDEX_STREAM_PREFIX, indexes],
    ] as const) {
      const digest = name.startsWith(prefixOf) ? name.slice(prefixOf.length) : '';
      if (isContentDigest(digest) && isLike(digest)) set.add(digest);
    }
  }
  for (const { manifestDigest, image } of listOciImages(repository)) {
    if (image !== undefined && isLike(image.manifest.config.digest)) digests.add(manifestDigest);
  }
  const tag = undefined;
  return [
    ...[...digests].map((manifestDigest) => ({ kind: 'image', manifestDigest, tag }) as const),
    ...[...indexes].map((indexDigest) => ({ kind: 'index', indexDigest, tag }) as const),
  ];
}

function commitsLike(repository: Repository, prefix: string): OstreeChecksum[] {
  const complete = listCommits(repository).filter(({ streamId }) => streamId !== undefined);
  const all = [...complete, ...listPartialCommits(repository)].map(({ commit }) => commit);
  return [...new Set(all)].filter((commit) => commit.startsWith(prefix));
}

function partialOf(repository: Repository, name: string): OstreeChecksum | undefined {
  return listPartialCommits(repository).find((partial) => partial.name === name)?.commit;
}

/** A name that is invalid for a kind does not exist there. */
function lenient<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (hasCode(error, 'REF_NAME_INVALID') || hasCode(error, 'OSTREE_REF_INVALID'))
      return undefined;
    throw error;
  }
}
