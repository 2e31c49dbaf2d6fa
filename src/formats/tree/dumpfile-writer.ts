import { type ByteString, byteStringOf, concatBytes } from '#base/bytes';
import { escapeField, escapeXattr } from './dumpfile-escape.ts';
import { TYPE_BITS } from './dumpfile-layout.ts';
import {
  Directory,
  type Leaf,
  type LeafIndex,
  type Stat,
  sortedXattrs,
  type Tree,
} from './model.ts';
import { countLinks, leafAt, type WalkStart, walkTree } from './operations.ts';

/** Characters buffered before a piece is yielded. */
const PIECE_LENGTH = 64 * 1024;

/**
 * Yields the dumpfile of a tree in pieces of about 64 KiB of ASCII: depth first, children in byte order, each line ended by LF.
 * The second and later names of a leaf become hard links to the first. With `start`, only the lines of that part of the tree.
 * @throws FormatError TREE_INVALID. Source: core spec 4.4
 */
export function* writeDumpfile(tree: Tree, start?: WalkStart): Generator<Uint8Array> {
  const counts = countLinks(tree);
  const firstPaths = new Map<LeafIndex, ByteString>();
  let text = '';
  for (const { path, inode } of walkTree(tree, start)) {
    if (inode instanceof Directory) text += directoryLine(path, inode);
    else {
      const first = firstPaths.get(inode);
      if (first === undefined) {
        const nlink = counts[inode] as number;
        if (nlink > 1) firstPaths.set(inode, path);
        text += leafLine(path, leafAt(tree, inode), nlink);
      } else text += dumpLinkLine(path, first);
    }
    if (text.length < PIECE_LENGTH) continue;
    yield Buffer.from(text, 'latin1');
    text = '';
  }
  yield Buffer.from(text, 'latin1');
}

/** The dumpfile of a tree as one array; see {@link writeDumpfile}. */
export function encodeDumpfile(tree: Tree): Uint8Array {
  return concatBytes([...writeDumpfile(tree)]);
}

/** Subject of a dumpfile line: a leaf, or a directory without its entries. */
export type Dumped = Leaf | { readonly kind: 'directory'; readonly stat: Stat };

/** Returns the line of a directory or leaf at a path. */
export function dumpLine(path: ByteString, dumped: Dumped, nlink: number): string {
  return dumped.kind === 'directory'
    ? `${escapeField(path)} 0 ${metadataFields(TYPE_BITS.directory, nlink, 0, dumped.stat)} - - -${xattrFields(dumped.stat)}\n`
    : leafLine(path, dumped, nlink);
}

/** Returns the hard link line of a further name of a leaf. */
export function dumpLinkLine(path: ByteString, target: ByteString): string {
  return `${escapeField(path)} 0 @120000 - - - - 0.0 ${escapeField(target)} - -\n`;
}

function directoryLine(path: ByteString, directory: Directory): string {
  let subdirectories = 0;
  for (const inode of directory.entries.values()) {
    if (inode instanceof Directory) subdirectories += 1;
  }
  return dumpLine(path, { kind: 'directory', stat: directory.stat }, 2 + subdirectories);
}

function metadataFields(typeBits: number, nlink: number, rdev: number, stat: Stat): string {
  const mode = (typeBits | stat.mode).toString(8);
  return `${mode} ${nlink} ${stat.uid} ${stat.gid} ${rdev} ${stat.mtimeSec}.${stat.mtimeNsec}`;
}

function xattrFields(stat: Stat): string {
  let text = '';
  for (const [name, value] of sortedXattrs(stat.xattrs)) {
    text += ` ${escapeXattr(name)}=${escapeXattr(byteStringOf(value))}`;
  }
  return text;
}

function leafLine(path: ByteString, leaf: Leaf, nlink: number): string {
  const { kind, stat } = leaf;
  const bits =
    kind === 'inline' || kind === 'external' || kind === 'externalNoVerity' || kind === 'sparse'
      ? TYPE_BITS.regular
      : TYPE_BITS[kind];
  const rdev = kind === 'chr' || kind === 'blk' ? leaf.rdev : 0;
  const [size, rest] = contentFields(leaf);
  return `${escapeField(path)} ${size} ${metadataFields(bits, nlink, rdev, stat)} ${rest}${xattrFields(stat)}\n`;
}

/** Returns SIZE, and the three fields PAYLOAD CONTENT DIGEST. */
function contentFields(leaf: Leaf): [size: number, fields: string] {
  switch (leaf.kind) {
    case 'inline':
      return [leaf.content.length, `- ${escapeField(byteStringOf(leaf.content))} -`];
    case 'external':
    case 'externalNoVerity':
      return [leaf.sizeBytes, `${leaf.id.slice(0, 2)}/${leaf.id.slice(2)} - ${leaf.id}`];
    case 'sparse':
      return [leaf.sizeBytes, '- - -'];
    case 'symlink':
      return [leaf.target.length, `${escapeField(leaf.target)} - -`];
    default:
      return [0, '- - -'];
  }
}
