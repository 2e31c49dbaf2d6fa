import { NotFoundError } from '#base/errors';
import type { ContainersReference } from '#formats/oci';
import { Dir, hasErrno } from '#host';
import { isOstreeRepo } from '#stores/ostree';
import { locateStore } from '#work/containers';
import type { StorePlace } from './survey-stores.ts';

/** OSTree repositories that hosts have, flatpak's among them; `~` is the home directory. */
const OSTREE_PLACES = [
  '/sysroot/ostree/repo',
  '/var/lib/flatpak/repo',
  '~/.local/share/flatpak/repo',
] as const;

const COMPOSEFS = 'composefs:';
const OSTREE = 'ostree-local:';
const CONTAINERS = 'containers-storage:';

/**
 * The place of a store that a user names: `containers-storage:`, `containers-storage:[DRIVER@ROOT…]`, `ostree-local:PATH`,
 * `composefs:PATH`, or a path whose store is found out.
 * @throws NotFoundError STORE_NOT_FOUND; as `locateStore`
 */
export async function placeOf(text: string): Promise<StorePlace> {
  const given = { label: text, isGiven: true } as const;
  if (text.startsWith(COMPOSEFS)) {
    return { ...given, kind: 'composefs', path: text.slice(COMPOSEFS.length) };
  }
  if (text.startsWith(OSTREE)) {
    return { ...given, kind: 'ostree', path: text.slice(OSTREE.length) };
  }
  if (text.startsWith(CONTAINERS)) {
    const reference = specifierOf(text.slice(CONTAINERS.length), text);
    return { ...given, kind: 'containers-storage', places: await locateStore(reference) };
  }
  const kind = kindAt(text);
  if (kind === 'composefs') return { label: COMPOSEFS + text, isGiven: true, kind, path: text };
  if (kind === 'ostree') return { label: OSTREE + text, isGiven: true, kind, path: text };
  if (kind !== 'containers-storage') throw notFound(text, 'a store');
  const label = `${CONTAINERS}[${text}]`;
  return { label, isGiven: true, kind, places: await locateStore({ graphRoot: text }) };
}

/**
 * The stores of this host: the composefs repository, the containers-storage of this user, the OSTree repository of the system and those of
 * flatpak; those that are there.
 * @param repository path of the composefs repository
 */
export async function findPlaces(repository: string): Promise<StorePlace[]> {
  const found: StorePlace[] = [];
  const isGiven = false;
  if (exists(repository)) {
    found.push({ kind: 'composefs', label: COMPOSEFS + repository, path: repository, isGiven });
  }
  const places = await locateStore({});
  if (exists(places.graphRoot)) {
    const label = `${CONTAINERS}[${places.graphRoot}]`;
    found.push({ kind: 'containers-storage', label, places, isGiven });
  }
  const home = process.env['HOME'] ?? '';
  for (const place of OSTREE_PLACES) {
    if (place.startsWith('~') && home === '') continue;
    const path = place.replace('~', home);
    if (exists(path)) found.push({ kind: 'ostree', label: OSTREE + path, path, isGiven });
  }
  return found;
}

/**
 * The store that a file belongs to, and the path of the file below it; undefined for a file outside of all stores.
 * @param path absolute, without symbolic links
 * @throws as `placeOf`
 */
export async function placeAbove(
  path: string,
): Promise<{ readonly place: StorePlace; readonly below: string } | undefined> {
  // From the top: a layer of a store may contain directories that look like a store.
  for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1)) {
    const above = path.slice(0, end);
    if (isStore(above)) return { place: await placeOf(above), below: path.slice(end + 1) };
  }
  return undefined;
}

/** `[DRIVER@ROOT+RUN:OPTIONS]`, or nothing for the store of this user. */
function specifierOf(text: string, whole: string): Omit<ContainersReference, 'transport' | 'name'> {
  if (text === '') return {};
  const match =
    /^\[(?:([a-z0-9]+)@)?(\/[^+:\]]*)(?:\+(\/[^:\]]*))?(?::([^\]]*))?\]$/.exec(text) ?? undefined;
  const [, driver, graphRoot, runRoot, options] = match ?? [];
  if (graphRoot === undefined)
    throw notFound(whole, 'containers-storage:[DRIVER@ROOT+RUN:OPTIONS]');
  return {
    graphRoot,
    ...(driver === undefined ? {} : { driver }),
    ...(runRoot === undefined ? {} : { runRoot }),
    ...(options === undefined ? {} : { options }),
  };
}

function kindAt(path: string): StorePlace['kind'] | undefined {
  if (!exists(path)) return undefined;
  if (isOstreeRepo(path)) return 'ostree';
  using dir = Dir.open(path);
  const has = (name: string) => dir.stat(name)?.type === 'directory';
  if (has('overlay-layers') || has('vfs-layers')) return 'containers-storage';
  return has('objects') ? 'composefs' : undefined;
}

/** As `kindAt`, but a directory `objects` alone makes no repository. */
function isStore(path: string): boolean {
  try {
    const kind = kindAt(path);
    if (kind !== 'composefs') return kind !== undefined;
    using dir = Dir.open(path);
    return ['meta.json', 'streams', 'images'].some((name) => dir.stat(name) !== undefined);
  } catch (error) {
    if (hasErrno(error, 'EACCES')) return false;
    throw error;
  }
}

/** Also true for a directory that this user may not open. */
function exists(path: string): boolean {
  try {
    Dir.open(path)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return false;
    if (hasErrno(error, 'EACCES')) return true;
    throw error;
  }
}

function notFound(text: string, expected: string): NotFoundError {
  return new NotFoundError(
    'STORE_NOT_FOUND',
    `Cannot find store "${text}": expected ${expected}, found something else or nothing`,
    { path: text },
    {
      hint: 'Name a store by its path, or as composefs:PATH, ostree-local:PATH, containers-storage: or containers-storage:[DRIVER@ROOT]',
    },
  );
}
