import type { ByteString } from '#base/bytes';
import { FormatError } from '#base/errors';
import { compactTree, Directory, type Tree } from '#formats/tree';
import { labelTree, readPolicy, type TreeContents } from '#work/labels';
import { type BootEntry, findBootEntries } from './resources.ts';

/** Directories of the root that a bootable image has empty: they are mount points there. */
const EMPTIED = ['boot', 'sysroot'] as ByteString[];

/**
 * Makes the tree of an image bootable: `/boot` and `/sysroot` are emptied and get the time of `/usr`, and all files get the labels of the
 * tree's own SELinux policy.
 * @returns what could be booted of it, found before `/boot` was emptied
 * @throws FormatError TREE_TRANSFORM_IMPOSSIBLE without these directories; as `findBootEntries` and `readPolicy`
 */
export async function transformForBoot(tree: Tree, contents: TreeContents): Promise<BootEntry[]> {
  const entries = findBootEntries(tree, contents);
  const usr = directoryOf(tree, 'usr' as ByteString);
  const { mtimeSec, mtimeNsec } = usr.stat;
  for (const name of EMPTIED) {
    const directory = directoryOf(tree, name);
    directory.entries.clear();
    directory.stat = { ...directory.stat, mtimeSec, mtimeNsec };
  }
  compactTree(tree);
  labelTree(tree, await readPolicy(contents, tree, 'composefs'));
  compactTree(tree);
  return entries;
}

function directoryOf(tree: Tree, name: ByteString): Directory {
  const found = tree.root.entries.get(name);
  if (found instanceof Directory) return found;
  const what = `/${name}`;
  throw new FormatError(
    'TREE_TRANSFORM_IMPOSSIBLE',
    `Cannot make the image bootable: expected ${what} to be a directory, found ${found === undefined ? 'nothing' : 'a file'}`,
    { offset: 0, what },
  );
}
