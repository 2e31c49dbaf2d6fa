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
import { countLinks, leafAt, walkTree } from './operations.ts';

/** Characters gathered before a piece is handed out. */
const PIECE_LENGTH = 64 * 1024;

/**
 * The dumpfile of a tree in pieces of about 64 KiB of ASCII: depth first, children in byte order, each line ended by LF.
 * The second and later names of a leaf become hard links to the first.
 * @throws FormatError TREE_INVALID. Source: core spec 4.4
 */
export function* writeDumpfile(tree: Tree): Generator<Uint8Array> {
  const counts = countLinks(tree);
  const firstPaths = new Map<LeafIndex, ByteString>();
  let text = '';
  for (const { path, inode } of walkTree(tree)) {
    if (inode instanceof Directory) text += directoryLine(path, inode);
    else {
      const first = firstPaths.get(inode);
      if (first === undefined) {
        const nlink = counts[inode] as number;
        if (nlink > 1) firstPaths.set(inode, path);
        text += leafLine(path, leafAt(tree, inode), nlink);
      } else text += `${escapeField(path)} 0 @120000 - - - - 0.0 ${escapeField(first)} - -\n`;
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

function directoryLine(path: ByteString, directory: Directory): string {
  let subdirectories = 0;
  for (const inode of directory.entries.values()) {
    if (inode instanceof Directory) subdirectories += 1;
  }
  const metadata = metadataFields(TYPE_BITS.directory, 2 + subdirectories, 0, directory.stat);
  return `${escapeField(path)} 0 ${metadata} - - -${xattrFields(directory.stat)}\n`;
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

/** SIZE, and the three fields PAYLOAD CONTENT DIGEST. */
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
