import { resolve } from 'node:path';
import { byteStringFromText, displayText } from '#base/bytes';
import { isOnecopyError, NotFoundError, quietly } from '#base/errors';
import { inTurns, type OperationOptions } from '#base/flow';
import { Dir, hasErrno, resolvedPathOf, splitPath } from '#host';
import type { Repository } from '#stores/composefs';
import { openContainersStore, readContainers } from '#stores/containers';
import { openOstreeRepo } from '#stores/ostree';
import { placeAbove, type StorePlace } from '#work/account';
import { findWhole, openNamedView } from '#work/catalog';
import { indexStreamName, manifestStreamName } from '#work/image';
import { listMounts } from '#work/mount';
import { openRepository } from '#work/repository';
import { searchComposefs } from './composefs.ts';
import { searchContainers } from './containers.ts';
import { type Deployed, readDeployed } from './deployed.ts';
import { type Chain, KeepGraph, type StepKind } from './graph.ts';
import { searchOstree } from './ostree.ts';
import { digitsIn, entryWanted, type Found, type Wanted } from './wanted.ts';

/** Something that was asked about, and what keeps it. */
export interface Explained {
  readonly kind: StepKind;
  /** Name, digest, id or path, as its store calls it. */
  readonly name: string;
  /** Label of its store. */
  readonly store: string;
  /** False if others refer to it, but it is missing. */
  readonly isStored: boolean;
  /** False if no root of the store leads to it: a garbage collection removes it. */
  readonly isKept: boolean;
  /** From the root to the thing. If nothing keeps it, from whatever refers to it. */
  readonly chains: readonly Chain[];
  /** True if there are more chains than these. */
  readonly isCut: boolean;
}

/** What could not be read: chains through it are not known. */
export interface Unseen {
  /** Label of the store. */
  readonly store: string;
  readonly problem: string;
}

/** The answer. */
export interface Explanation {
  readonly things: readonly Explained[];
  readonly unseen: readonly Unseen[];
}

/** What is asked about. */
export interface WhyQuestion {
  /** An id or a digest or the beginning of one, a name, or the path of a file of a store or of a mounted image. */
  readonly thing: string;
  /** Paths in the image or commit that `thing` names. */
  readonly paths: readonly string[];
  /** The stores to search. */
  readonly stores: readonly StorePlace[];
  /** The system whose deployments count as roots. */
  readonly sysroot: string;
}

/**
 * Finds what keeps something in its stores: the chains of references from the roots of a store to it. Nothing is verified or changed.
 * @throws NotFoundError IMAGE_NOT_FOUND if no store has it, TREE_PATH_NOT_FOUND; as opening the stores that the user named
 */
export async function explain(
  question: WhyQuestion,
  options: OperationOptions = {},
): Promise<Explanation> {
  const { thing, paths, sysroot } = question;
  const unseen: Unseen[] = [];
  const deployed = readDeployed(sysroot, (problem) => unseen.push({ store: sysroot, problem }));
  const located = paths.length > 0 ? undefined : await locate(question);
  const stores = located === undefined ? question.stores : located.stores;
  const things: Explained[] = [];
  for (const place of stores) {
    const warn = (problem: string) => unseen.push({ store: place.label, problem });
    try {
      const asked = { thing, paths, wanted: located?.wanted };
      things.push(...(await searchStore(place, asked, { deployed, warn, options })));
    } catch (error) {
      const isOurs = isOnecopyError(error);
      if (place.isGiven || !isOurs || error.code === 'TREE_PATH_NOT_FOUND') throw error;
      warn(error.message);
    }
  }
  if (things.length === 0) throw nothingFound(thing, stores, unseen);
  return { things, unseen };
}

/** Whatever the question says of the thing, before a store is opened. */
interface Asked {
  readonly thing: string;
  readonly paths: readonly string[];
  readonly wanted: Wanted | undefined;
}

interface SearchContext {
  readonly deployed: Deployed;
  readonly warn: (problem: string) => void;
  readonly options: OperationOptions;
}

async function searchStore(
  place: StorePlace,
  asked: Asked,
  { deployed, warn, options }: SearchContext,
): Promise<Explained[]> {
  const found: Explained[] = [];
  if (place.kind === 'composefs') {
    using repository = await openRepository(place.path, options);
    for (const wanted of await wantedOf(repository, asked, options)) {
      const graph = new KeepGraph();
      const steps = searchComposefs(repository, graph, { wanted, warn }, deployed.byTag);
      found.push(...explained(place, graph, await inTurns(steps, options)));
    }
    return found;
  }
  if (asked.paths.length > 0) return [];
  const wanted = asked.wanted ?? digitsIn(asked.thing);
  const all = wanted?.kind === 'digits' || wanted === undefined;
  const named: Wanted = { kind: 'name', name: asked.thing };
  // Digits may be a name, too.
  const searches = all ? [named, ...(wanted === undefined ? [] : [wanted])] : [wanted];
  for (const one of searches) {
    if (found.length > 0) break;
    const graph = new KeepGraph();
    if (place.kind === 'containers-storage') {
      using store = await openContainersStore(place.places, options);
      const { containers, damaged } = await readContainers(store.roots, options);
      for (const { path, problem } of damaged) warn(`"${path}" is damaged: ${problem}`);
      const search = { wanted: one, warn };
      const steps = searchContainers(store, containers, graph, search, deployed.byName);
      found.push(...explained(place, graph, await inTurns(steps, options)));
    } else {
      using repo = openOstreeRepo(place.path);
      using _lock = await repo.lockForReading(options).catch((error: unknown) => {
        // A user who may not open the lock may read all the same.
        if (!isOnecopyError(error) || error.kind !== 'host') throw error;
        return undefined;
      });
      const steps = searchOstree(repo, graph, { wanted: one, warn }, deployed.commits);
      found.push(...explained(place, graph, await inTurns(steps, options)));
    }
  }
  return found;
}

function explained(place: StorePlace, graph: KeepGraph, found: readonly Found[]): Explained[] {
  return found.map(({ key, isStored }) => {
    const { chains, isCut } = graph.chainsOf(key);
    const { kind, name } = graph.stepOf(key) ?? { kind: 'object' as const, name: key };
    const isKept = chains.some((chain) => chain.isKept);
    return { kind, name, store: place.label, isStored, isKept, chains, isCut };
  });
}

/** What to look for in a composefs repository. */
async function wantedOf(
  repository: Repository,
  { thing, paths, wanted }: Asked,
  options: OperationOptions,
): Promise<readonly Wanted[]> {
  if (wanted !== undefined) return [wanted];
  if (paths.length > 0) {
    using view = await openNamedView(repository, imageOf(repository, thing), options);
    return paths.map((path) => entryWanted(view.stat(byteStringFromText(path)), view.imageId));
  }
  const digits = digitsIn(thing);
  try {
    const named = findWhole(repository, thing);
    const isName = named.kind === 'image' || named.kind === 'index' ? named.tag : named.ref;
    if (digits !== undefined && isName === undefined) return [digits];
    if (named.kind === 'index') return [{ kind: 'name', name: indexStreamName(named.indexDigest) }];
    if (named.kind === 'image') {
      return [{ kind: 'name', name: manifestStreamName(named.manifestDigest) }];
    }
    if (named.kind === 'commit')
      return [{ kind: 'digits', algorithm: undefined, digits: named.commit }];
    return [{ kind: 'digits', algorithm: undefined, digits: named.imageId }];
  } catch (error) {
    if (!isOnecopyError(error) || error.code !== 'IMAGE_NOT_FOUND') throw error;
    return [digits ?? { kind: 'name', name: thing }];
  }
}

function imageOf(repository: Repository, name: string) {
  const named = findWhole(repository, name);
  if (named.kind !== 'index') return named;
  throw new NotFoundError(
    'IMAGE_NOT_FOUND',
    `Cannot read files of "${name}": expected an image or a commit, found an index of several images`,
    { name },
    { hint: `Name one of its images by its digest, which is listed by: onecopy inspect ${name}` },
  );
}

/** Finds the store of a path; undefined if the thing is not a path. */
async function locate({ thing, stores }: WhyQuestion) {
  const isPath = /^(?:\/|\.\.?(?:\/|$))/.test(thing);
  const full = isPath ? realPath(thing) : undefined;
  if (full === undefined) return undefined;
  const found = await placeAbove(full);
  if (found !== undefined) {
    const known = stores.find((place) => isSame(place, found.place));
    const wanted: Wanted = { kind: 'place', path: found.below };
    return { stores: [known ?? found.place], wanted };
  }
  const mount = listMounts().findLast(
    ({ target }) => full === target || full.startsWith(`${target}/`),
  );
  if (mount?.imageId !== undefined) {
    const composefs = stores.filter(({ kind }) => kind === 'composefs');
    for (const place of composefs) {
      if (place.kind !== 'composefs') continue;
      using repository = await openRepository(place.path, {});
      if (!repository.images.has(mount.imageId)) continue;
      const erofs = { kind: 'erofs', imageId: mount.imageId, ref: undefined } as const;
      using view = await openNamedView(repository, erofs);
      const path = full.slice(mount.target.length) || '/';
      return {
        stores: [place],
        wanted: entryWanted(view.stat(byteStringFromText(path)), view.imageId),
      };
    }
  }
  throw new NotFoundError(
    'STORE_NOT_FOUND',
    `Cannot explain "${thing}": expected a file of a store or of a mounted image, found no store at "${full}" or above it`,
    { path: full },
    {
      hint: 'For a file of an image, give the name of the image and the path in it: onecopy why NAME PATH',
    },
  );
}

function isSame(one: StorePlace, other: StorePlace): boolean {
  const pathOf = (place: StorePlace) =>
    place.kind === 'containers-storage' ? place.places.graphRoot : resolve(place.path);
  return one.kind === other.kind && pathOf(one) === pathOf(other);
}

/** The path with its links followed, except for the last name. @throws NotFoundError TREE_PATH_NOT_FOUND */
function realPath(path: string): string {
  if (resolve(path) === '/') return '/';
  const { parent, name } = splitPath(resolve(path));
  try {
    using dir = Dir.open(parent);
    if (dir.lstat(name) === undefined) throw missing(path);
    const above = displayText(resolvedPathOf(dir));
    return `${above === '/' ? '' : above}/${displayText(name)}`;
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) throw missing(path);
    if (!hasErrno(error, 'EACCES')) throw error;
    // A directory that may be passed through, but not read.
    return resolve(path);
  }
}

function missing(path: string): NotFoundError {
  return new NotFoundError(
    'TREE_PATH_NOT_FOUND',
    `Cannot explain "${path}": there is no such file`,
    { path },
  );
}

function nothingFound(
  thing: string,
  stores: readonly StorePlace[],
  unseen: readonly Unseen[],
): NotFoundError {
  const where = stores.map(({ label }) => label).join(', ') || 'no store';
  const rest = unseen.map(({ problem }) => problem)[0];
  const isPath = thing.includes('/') && quietly(() => realPath(thing)) !== undefined;
  const other = isPath
    ? `For the file of this path: onecopy why ./${thing}`
    : 'List names with: onecopy images. To search another store, name it with --store';
  return new NotFoundError(
    'IMAGE_NOT_FOUND',
    `Cannot find "${thing}": searched ${where}, found nothing of this name, id, digest or path`,
    { name: thing },
    {
      hint: rest === undefined ? other : `Not everything could be read: ${rest}`,
    },
  );
}
