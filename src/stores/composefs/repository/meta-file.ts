import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { ConflictError, FormatError, hasCode, isOnecopyError, NotFoundError } from '#base/errors';
import { type ErofsVersion, openImage } from '#formats/erofs';
import type { VerityAlgorithm } from '#formats/fsverity';
import {
  type Dir,
  type HostFile,
  hasErrno,
  publish,
  readAll,
  readAt,
  statFd,
  tryMeasureVerity,
} from '#host';
import {
  CATEGORIES,
  FILE_MODE,
  META_BYTES_MAX,
  META_NAME,
  OBJECTS,
  OWN,
  objectNameLength,
  REFS,
} from '../layout.ts';
import { readSorted } from '../names/links.ts';
import { protect } from '../objects/verity.ts';
import type { VerityPolicy } from './context.ts';
import {
  createMeta,
  type ErofsFormats,
  encodeMeta,
  parseMeta,
  type RepositoryMeta,
} from './meta.ts';

/** The metadata of a directory, and whether meta.json has fs-verity. */
export interface StoredMeta {
  readonly meta: RepositoryMeta;
  readonly isProtected: boolean;
}

/** Reads meta.json; undefined if it does not exist. @throws FormatError REPO_METADATA_INVALID, FSVERITY_ALGORITHM_INVALID */
export function readMetaFile(root: Dir): StoredMeta | undefined {
  const found = root.tryOpenFile(META_NAME);
  if (found === undefined) return undefined;
  using file = found;
  const meta = parseMetaOf(root, readAll(file, META_BYTES_MAX));
  return { meta, isProtected: tryMeasureVerity(file, meta.algorithm) !== undefined };
}

/** As `parseMeta`, and names the repository and the way to repair it. */
function parseMetaOf(root: Dir, bytes: Uint8Array): RepositoryMeta {
  try {
    return parseMeta(bytes);
  } catch (error) {
    if (!hasCode(error, 'REPO_METADATA_INVALID')) throw error;
    throw new FormatError(
      'REPO_METADATA_INVALID',
      `Cannot open repository "${root.label}": its ${META_NAME} is damaged`,
      { offset: 0, what: META_NAME },
      {
        cause: error,
        hint: `Rename ${META_NAME}, then write a new one that matches the objects with: onecopy --repo ${root.label} init`,
      },
    );
  }
}

/**
 * Writes meta.json, durable, with fs-verity by the policy; false if it already exists.
 * @throws UnsupportedError FSVERITY_UNSUPPORTED when the policy is `require`; HostError SYSCALL_FAILED, NO_SPACE
 */
export function writeMetaFile(root: Dir, meta: RepositoryMeta, policy: VerityPolicy): boolean {
  using file = root.tmpfile(FILE_MODE);
  file.write(encodeMeta(meta));
  const outcome = publish(file, root, META_NAME, {
    durable: true,
    verify: (sealed) => void protect(sealed, root, meta.algorithm, policy),
  });
  return outcome === 'published';
}

/** Names that may exist in a directory that becomes a repository: parts of a repository, files of mkfs, and what bootc keeps beside it. */
const OWN_ENTRIES: ReadonlySet<string> = new Set([
  META_NAME,
  OBJECTS,
  ...CATEGORIES,
  OWN,
  'lost+found',
  'bootc',
  'bootc.json',
]);

/**
 * Refuses a directory with other files than those of a repository: a repository created by mistake, for example in /etc, would be mixed
 * with unrelated files. A directory with objects and streams is a repository, whatever else it holds.
 * @throws ConflictError REPO_DIRECTORY_FOREIGN
 */
export function refuseForeignDirectory(root: Dir): void {
  const entries = namesIn(root);
  const foreign = entries.find((name) => !OWN_ENTRIES.has(name));
  if (foreign === undefined) return;
  const names = new Set<string>(entries);
  if (names.has(OBJECTS) && names.has('streams')) return;
  const found = displayText(foreign);
  throw new ConflictError(
    'REPO_DIRECTORY_FOREIGN',
    `Cannot use directory "${root.label}" as a repository: expected an empty directory or a repository, found "${found}" in it`,
    { path: root.label, found },
    { hint: 'Name a repository, or a directory that is new or empty' },
  );
}

/** Names in a directory; none if another process removed the directory after it was opened. */
function namesIn(root: Dir): ByteString[] {
  try {
    return readSorted(root, '.').map(({ name }) => name);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/**
 * Infers the metadata of a repository without meta.json: the length of the name of the first object determines the algorithm, its fs-verity state
 * whether fs-verity is required, and the existing images the EROFS versions. A repository without images predates meta.json, when images were V2:
 * new images then keep their ids. (composefs-rs 0.9 writes V1 here, contrary to its documentation; a file that it has written is used unchanged.)
 * @throws NotFoundError REPO_METADATA_MISSING if there is no object to infer from; as `refuseForeignDirectory`
 */
export function inferMeta(root: Dir): StoredMeta {
  for (const [path, algorithm] of firstObjects(root)) {
    using file = root.openFile(path);
    const measured: ObjectId | undefined = tryMeasureVerity(file, algorithm);
    const meta = createMeta(algorithm, inferFormats(root));
    return { meta, isProtected: measured !== undefined };
  }
  refuseForeignDirectory(root);
  throw new NotFoundError(
    'REPO_METADATA_MISSING',
    `Cannot open repository "${root.label}": it has no ${META_NAME}, and no objects to infer it from`,
    { path: root.label },
    { hint: 'Create the repository with init' },
  );
}

/** Number of images that are examined: all images of a repository have the same versions. */
const IMAGES_LOOKED_AT = 64;

function inferFormats(root: Dir): ErofsFormats {
  const found = new Set<ErofsVersion>();
  for (const { name } of readSorted(root, 'images').slice(0, IMAGES_LOOKED_AT)) {
    if (name === REFS || root.stat(`images/${name}`)?.type !== 'file') continue;
    using file = root.openFile(`images/${name}`);
    const version = versionOfImage(file);
    if (version !== undefined) found.add(version);
  }
  const [first, ...extra] = [...found].sort((a, b) => a - b);
  return first === undefined ? { default: 2, extra: [] } : { default: first, extra };
}

function versionOfImage(file: HostFile): ErofsVersion | undefined {
  const reader = {
    sizeBytes: statFd(file).sizeBytes,
    read: (offset: number, into: Uint8Array) => readAt(file, into, offset),
  };
  try {
    return openImage(reader).header.composefsVersion as ErofsVersion;
  } catch (error) {
    if (!isOnecopyError(error) || error.kind !== 'format') throw error;
    return undefined;
  }
}

function* firstObjects(root: Dir): Generator<[path: string, algorithm: VerityAlgorithm]> {
  for (const fanOut of readSorted(root, OBJECTS)) {
    if (fanOut.name.length !== 2 || fanOut.type !== 'directory') continue;
    for (const entry of readSorted(root, `${OBJECTS}/${fanOut.name}`)) {
      for (const algorithm of ['sha256', 'sha512'] as const) {
        if (entry.type !== 'file' || entry.name.length !== objectNameLength(algorithm)) continue;
        yield [`${OBJECTS}/${fanOut.name}/${entry.name}`, algorithm];
      }
    }
  }
}
