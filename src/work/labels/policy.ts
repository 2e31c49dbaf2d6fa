import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import {
  CONFIG_PATH,
  createLabeler,
  type Labeler,
  POLICY_FILE_MAX_BYTES,
  POLICY_FILES,
  type Precedence,
  parsePolicyName,
  policyFolder,
} from '#formats/selinux';
import { Directory, isRegular, leafAt, type Tree } from '#formats/tree';

/** Contents of the larger files of a tree: the objects of a repository, or the directory from which the tree was read. */
export interface TreeContents {
  /** @throws FormatError OBJECT_TOO_LARGE; NotFoundError OBJECT_NOT_FOUND */
  read(id: ObjectId, limitBytes: number): Uint8Array;
}

/** Location of a policy. */
export interface PolicyPlace {
  /** The directory that contains `etc` (default: the root). */
  readonly from?: Directory | undefined;
  /** True: a chosen policy that is missing counts as no policy. */
  readonly mayMiss?: boolean | undefined;
}

/**
 * Reads the labels of the policy of an image; undefined if the image has no policy, and then nothing is labelled. A policy below `usr/etc` is
 * ignored. Source: composefs-rs 0.9 selabel.rs.
 * @throws FormatError SELINUX_POLICY_INVALID, also when a policy is chosen and not there; SELINUX_POLICY_TOO_COSTLY;
 * TREE_TRANSFORM_IMPOSSIBLE when `/etc`, or what leads to the policy, is no directory
 */
export async function readPolicy(
  contents: TreeContents,
  tree: Tree,
  precedence: Precedence,
  { from = tree.root, mayMiss = false }: PolicyPlace = {},
): Promise<Labeler | undefined> {
  return await loadPolicy(new PolicyReader(contents, tree, from), precedence, mayMiss);
}

/** Source of the files of a policy. */
export interface PolicyFiles {
  /** Reads a regular file by its path below the root; undefined when there is none. Links are not followed. */
  read(path: string): Uint8Array | undefined;
}

/** As `readPolicy`, for any source. @throws FormatError SELINUX_POLICY_INVALID, SELINUX_POLICY_TOO_COSTLY; what `files` throws */
export async function loadPolicy(
  files: PolicyFiles,
  precedence: Precedence,
  mayMiss = false,
): Promise<Labeler | undefined> {
  const config = files.read(CONFIG_PATH);
  const name = config === undefined ? undefined : parsePolicyName(config);
  if (name === undefined) return undefined;
  const folder = policyFolder(Buffer.from(name, 'latin1').toString('latin1'));
  const { main: _, ...optional } = POLICY_FILES;
  const main = files.read(`${folder}/${POLICY_FILES.main}`);
  if (main === undefined && mayMiss) return undefined;
  if (main === undefined) failMissing(name);
  const others = Object.entries(optional).map(([key, file]) => [
    key,
    files.read(`${folder}/${file}`),
  ]);
  return await createLabeler({ main, ...Object.fromEntries(others) }, precedence);
}

/** Reads files of a tree, whose contents are inline or in objects of the repository. */
class PolicyReader implements PolicyFiles {
  readonly #contents: TreeContents;
  readonly #tree: Tree;
  readonly #from: Directory;

  constructor(contents: TreeContents, tree: Tree, from: Directory) {
    this.#contents = contents;
    this.#tree = tree;
    this.#from = from;
  }

  /** Reads a regular file; undefined when there is none at this path. Links are not followed. */
  read(path: string): Uint8Array | undefined {
    const names = path.split('/') as ByteString[];
    let directory = this.#from;
    for (const [depth, name] of names.slice(0, -1).entries()) {
      const next = directory.entries.get(name);
      if (next === undefined) return undefined;
      if (!(next instanceof Directory)) failDirectory(names.slice(0, depth + 1).join('/'));
      directory = next;
    }
    const found = directory.entries.get(names.at(-1) as ByteString);
    if (found === undefined || found instanceof Directory) return undefined;
    const leaf = leafAt(this.#tree, found);
    if (!isRegular(leaf)) return undefined;
    if (leaf.kind === 'inline') return leaf.content;
    if (leaf.kind === 'sparse')
      return new Uint8Array(Math.min(leaf.sizeBytes, POLICY_FILE_MAX_BYTES));
    return this.#contents.read(leaf.id, POLICY_FILE_MAX_BYTES);
  }
}

function failDirectory(path: string): never {
  const shown = displayText(path as ByteString);
  throw new FormatError(
    'TREE_TRANSFORM_IMPOSSIBLE',
    `Cannot read the SELinux policy of the image: expected "/${shown}" to be a directory, found a file`,
    { offset: 0, what: `/${shown}` },
  );
}

function failMissing(name: string): never {
  throw new FormatError(
    'SELINUX_POLICY_INVALID',
    `Cannot label the image: expected file_contexts of the policy "${name}" that etc/selinux/config chooses, found none`,
    { offset: 0, what: POLICY_FILES.main, expected: name, found: 'nothing' },
  );
}
