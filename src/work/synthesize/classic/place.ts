import type { ByteString } from '#base/bytes';
import { ROOT_NAME } from '#formats/selinux';
import { Directory, sortedEntries } from '#formats/tree';
import type { Placed, PlacedDirectory } from '../arrange.ts';

/** libostree looks up the label of `/proc` by another name. Source: unified-storage notes 2.11. */
const LOOKED_UP_AS = new Map([['/proc', '/mnt' as ByteString]]);

/** A tree whose paths are the paths in the commit; labels are looked up by them. */
export function placeTree(root: Directory): PlacedDirectory {
  return placeDirectory(root, '');
}

function placeDirectory(directory: Directory, path: string): PlacedDirectory {
  return {
    kind: 'directory',
    path: path === '' ? '/' : path,
    labelName: path === '' ? ROOT_NAME : labelNameOf(path),
    stat: directory.stat,
    children: () =>
      sortedEntries(directory).map(([name, inode]): [ByteString, Placed] => {
        const below = `${path}/${name}`;
        if (inode instanceof Directory) return [name, placeDirectory(inode, below)];
        return [name, { kind: 'leaf', path: below, labelName: labelNameOf(below), index: inode }];
      }),
  };
}

function labelNameOf(path: string): ByteString {
  return LOOKED_UP_AS.get(path) ?? (path as ByteString);
}
