import { FormatError } from '#base/errors';

const MIRROR_PREFIX = 'mirrorlist=';

/** The location of a remote by its `url`: bases to try in order, or the URL of a mirror list. */
export interface RemoteLocation {
  readonly bases: readonly URL[];
  readonly mirrorList: URL | undefined;
}

/**
 * Reads the value of `url` or `contenturl`: an http(s) URL, or `mirrorlist=` and the URL of a text with one base per line.
 * @throws FormatError OSTREE_REMOTE_INVALID
 */
export function parseRemoteUrl(text: string): RemoteLocation {
  return text.startsWith(MIRROR_PREFIX)
    ? { bases: [], mirrorList: parseBase(text.slice(MIRROR_PREFIX.length)) }
    : { bases: [parseBase(text)], mirrorList: undefined };
}

/**
 * The bases of a mirror list, in its order; empty lines and comments are skipped, mirrors of other schemes too.
 * @throws FormatError OSTREE_REMOTE_INVALID when none is left
 */
export function parseMirrorList(text: string, max: number): URL[] {
  const bases = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^https?:\/\//i.test(line) && URL.canParse(line))
    .slice(0, max)
    .map(parseBase);
  if (bases.length === 0) fail('mirror list', 'an http or https URL on a line', 'none');
  return bases;
}

/**
 * The URL of a file of the repository. `/` separates, everything else that is not plain is percent-encoded, and `+`, which
 * delta names use, stays as it is (OSTree spec 2.15). A query of the base (an access token) is kept.
 */
export function fileUrl(base: URL, path: string): URL {
  const { start, end } = affixesOf(base);
  return new URL(start + (PLAIN_PATH.test(path) ? path : encodePath(path)) + end);
}

/** Paths that need no encoding: those of all objects and most refs. */
const PLAIN_PATH = /^[\w./+-]*$/;

/** The parts before and after the path in the URL of a file, computed once for each base. */
interface Affixes {
  readonly start: string;
  readonly end: string;
}

const affixes = new WeakMap<URL, Affixes>();

function affixesOf(base: URL): Affixes {
  const known = affixes.get(base);
  if (known !== undefined) return known;
  const folder = new URL(base);
  folder.search = '';
  folder.hash = '';
  const found = { start: `${folder.href.replace(/\/+$/, '')}/`, end: base.search };
  affixes.set(base, found);
  return found;
}

function encodePath(path: string): string {
  return path
    .split('/')
    .map((part) => encodeURIComponent(part).replaceAll('%2B', '+'))
    .join('/');
}

function parseBase(text: string): URL {
  const trimmed = text.trim();
  if (!URL.canParse(trimmed)) fail('remote URL', 'an http or https URL', trimmed);
  const url = new URL(trimmed);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    fail('remote URL', 'an http or https URL', `scheme "${url.protocol}"`);
  }
  url.hash = '';
  return url;
}

function fail(what: string, expected: string, found: string): never {
  const shown = found
    .replace(/\/\/[^/]*@/, '//')
    .replace(/\?.*$/s, '?…')
    .slice(0, 200);
  throw new FormatError(
    'OSTREE_REMOTE_INVALID',
    `Cannot use ${what}: expected ${expected}, found ${shown}`,
    { offset: 0, what, expected, found: shown },
  );
}
