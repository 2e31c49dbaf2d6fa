import type { ContentDigest, ObjectId, OstreeChecksum } from '#base/digest';
import { ConflictError, isOnecopyError, NotFoundError } from '#base/errors';
import type { Repository } from '#stores/composefs';
import { listCommitRefs, listPartialCommits, tagCommit, untagCommit } from '#work/commits';
import { planRemoval, removeIndexTag, tagImage, untagImage } from '#work/image';
import { exactlyNamed, findWhole, type Named, type NamedIndex, spellingOf } from './named.ts';
import { checkNewName, targetOf } from './new-name.ts';

/** Everything that a name can stand for. */
type Whole = Named | NamedIndex;

/** The target of a new name, with the ids of its kind. */
export interface Tagged {
  readonly kind: Whole['kind'];
  readonly name: string;
  /** Of an image, and of an index. */
  readonly manifestDigest: ContentDigest | undefined;
  readonly commit: OstreeChecksum | undefined;
  readonly imageId: ObjectId | undefined;
  /** Digest, checksum or image id that the name referred to before; undefined if it was free or stays as it was. */
  readonly replaced: string | undefined;
}

/** Plan of `tagNamed`. @throws as `findNamed`; UsageError for a name that is not allowed */
export function planTag(repository: Repository, source: string, name: string): Tagged {
  return planOf(repository, findWhole(repository, source), name);
}

/**
 * Adds a name of the same kind to an image or a commit. A name of this kind that is in use is moved. Atomic.
 * @throws as `planTag`
 */
export function tagNamed(repository: Repository, source: string, name: string): Tagged {
  const named = findWhole(repository, source);
  const tagged = planOf(repository, named, name);
  if (named.kind === 'index') repository.tags.setIndex(name, named.indexDigest);
  else if (named.kind === 'image') tagImage(repository, `@${named.manifestDigest}`, name);
  else if (named.kind === 'commit') tagCommit(repository, named.commit, name);
  else repository.refs.set('images', withoutFolder(name), named.imageId);
  return tagged;
}

/** @throws UsageError for a name that is not allowed */
function planOf(repository: Repository, named: Whole, name: string): Tagged {
  checkNewName(name);
  const place = named.kind === 'erofs' ? withoutFolder(name) : name;
  const before = targetOf(repository, named.kind, place);
  const ids = {
    manifestDigest: documentOf(named),
    commit: named.kind === 'commit' ? named.commit : undefined,
    imageId: named.kind === 'erofs' ? named.imageId : undefined,
  };
  const isSame = Object.values(ids).includes(before as never);
  return { kind: named.kind, name, ...ids, replaced: isSame ? undefined : before };
}

/** Digest of the manifest or index. */
function documentOf(named: Whole): ContentDigest | undefined {
  if (named.kind === 'index') return named.indexDigest;
  return named.kind === 'image' ? named.manifestDigest : undefined;
}

/** The only image or commit that has this name. @throws NotFoundError TAG_NOT_FOUND; ConflictError NAME_AMBIGUOUS */
function findName(repository: Repository, name: string): Whole {
  const found = spelledOrExact(repository, name);
  const [first, ...others] = found;
  if (first === undefined) {
    throw new NotFoundError(
      'TAG_NOT_FOUND',
      `Cannot remove name "${name}": the repository has no such name`,
      { tag: name, available: namesOf(repository) },
      { hint: hintForId(repository, name) ?? 'List all names with: onecopy images' },
    );
  }
  if (others.length === 0) return first;
  const spellings = found.map(spellingOf);
  throw new ConflictError(
    'NAME_AMBIGUOUS',
    `Cannot remove name "${name}": expected one image or commit, found ${spellings.join(' and ')}`,
    { name, found: spellings },
    { hint: `Use one of these names: ${spellings.join(', ')}` },
  );
}

/** For an id in the place of a name: the names that it has. */
function hintForId(repository: Repository, name: string): string | undefined {
  try {
    const { names, remaining } = planRemoveNamed(repository, name);
    const all = [...names, ...remaining].join(', ');
    return all === ''
      ? `This is the id of an image without a name, which the next gc removes`
      : `This is an id. To remove one of its names (${all}), use that name; to remove all of them: onecopy rm ${name}`;
  } catch (error) {
    if (isOnecopyError(error)) return undefined;
    throw error;
  }
}

/** Removes a name, also a dangling one. @throws as `requireName` */
export function untagNamed(repository: Repository, name: string): void {
  if (leadsNowhere(repository, name)) repository.refs.remove('images', withoutFolder(name));
  else removeName(repository, findName(repository, name));
}

/** Throws if `untagNamed` would not find the name. @throws as `findName` */
export function requireName(repository: Repository, name: string): void {
  if (!leadsNowhere(repository, name)) findName(repository, name);
}

/** True for a dangling name of a bare image, if nothing else has this name. */
function leadsNowhere(repository: Repository, name: string): boolean {
  if (spelledOrExact(repository, name).length > 0) return false;
  const wanted = withoutFolder(name);
  return repository.refs.list('images').some((ref) => ref.name === wanted && ref.id === undefined);
}

function removeName(repository: Repository, named: Whole): void {
  if (named.kind === 'index') removeIndexTag(repository, named.tag ?? '');
  else if (named.kind === 'image') untagImage(repository, named.tag ?? '');
  else if (named.kind === 'commit') untagCommit(repository, named.ref ?? '');
  else repository.refs.remove('images', named.ref ?? '');
}

/** Report of the removal of an image or a commit. */
export interface Removed {
  readonly kind: Whole['kind'];
  /** Undefined unless it is an OCI image or an index. */
  readonly manifestDigest: ContentDigest | undefined;
  readonly commit: OstreeChecksum | undefined;
  readonly imageId: ObjectId | undefined;
  /** Names that are removed. */
  readonly names: readonly string[];
  /** Names that still point to it. Without any, the next garbage collection frees it. */
  readonly remaining: readonly string[];
}

function planRemoveNamed(repository: Repository, name: string): Removed {
  const named = findWhole(repository, name);
  if (named.kind === 'index') return planIndexRemoval(repository, named);
  if (named.kind === 'image') {
    const plan = planRemoval(repository, named.tag ?? `@${named.manifestDigest}`);
    return { kind: 'image', commit: undefined, imageId: undefined, ...plan };
  }
  const all = namesFor(repository, named);
  const names = named.ref === undefined ? all : [named.ref];
  return {
    kind: named.kind,
    manifestDigest: undefined,
    commit: named.kind === 'commit' ? named.commit : undefined,
    imageId: named.kind === 'erofs' ? named.imageId : undefined,
    names,
    remaining: all.filter((one) => !names.includes(one)),
  };
}

function planIndexRemoval(repository: Repository, { indexDigest, tag }: NamedIndex): Removed {
  const tags = repository.tags.listIndexes().filter((one) => one.indexDigest === indexDigest);
  const all = tags.map(({ name }) => name);
  const names = tag === undefined ? all : [tag];
  return {
    kind: 'index',
    manifestDigest: indexDigest,
    commit: undefined,
    imageId: undefined,
    names,
    remaining: all.filter((one) => !names.includes(one)),
  };
}

/** What `removeAllNamed` would do; what several of the names mean occurs once. @throws as `findNamed` */
export function planRemoveAllNamed(repository: Repository, names: readonly string[]): Removed[] {
  const plans = new Map<string, Removed>();
  for (const name of names) {
    const plan = planRemoveNamed(repository, name);
    const id = plan.manifestDigest ?? plan.commit ?? plan.imageId;
    const key = `${plan.kind} ${id}`;
    const other = plans.get(key);
    const gone = [...new Set([...(other?.names ?? []), ...plan.names])];
    const remaining = plan.remaining.filter((one) => !gone.includes(one));
    plans.set(key, { ...plan, names: gone, remaining });
  }
  return [...plans.values()];
}

/**
 * Removes images and commits by name, or by id with all their names. If one is not found, nothing is removed. The next garbage collection
 * frees their objects. @throws as `findNamed`
 */
export function removeAllNamed(repository: Repository, names: readonly string[]): Removed[] {
  const plans = planRemoveAllNamed(repository, names);
  for (const plan of plans) {
    for (const one of plan.names) {
      if (plan.kind === 'index') removeIndexTag(repository, one);
      else if (plan.kind === 'image') untagImage(repository, one);
      else if (plan.kind === 'commit') untagCommit(repository, one);
      else repository.refs.remove('images', one);
    }
  }
  return plans;
}

function namesFor(repository: Repository, named: Exclude<Named, { kind: 'image' }>): string[] {
  if (named.kind === 'erofs') {
    return [...(repository.images.list().find(({ id }) => id === named.imageId)?.refs ?? [])];
  }
  const refs = [...listCommitRefs(repository), ...listPartialCommits(repository)];
  const names = refs.filter(({ commit }) => commit === named.commit).map(({ name }) => name);
  return [...new Set(names)];
}

function namesOf(repository: Repository): string[] {
  return [
    ...repository.tags.list().map(({ name }) => name),
    ...repository.tags.listIndexes().map(({ name }) => name),
    ...listCommitRefs(repository).map(({ name }) => name),
    ...listPartialCommits(repository).map(({ name }) => name),
    ...repository.refs.list('images').map(({ name }) => `refs/${name}`),
  ];
}

function spelledOrExact(repository: Repository, name: string): Whole[] {
  const exact = exactlyNamed(repository, name);
  if (exact.length > 0) return exact;
  const [, prefix = '', rest = ''] = /^(image:|commit:|refs\/)(.+)$/.exec(name) ?? [];
  return exactlyNamed(repository, rest).filter((named) => spellingOf(named) === prefix + rest);
}

function withoutFolder(name: string): string {
  return name.startsWith('refs/') ? name.slice('refs/'.length) : name;
}
