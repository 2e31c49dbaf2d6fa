import { DEPTH_LIMIT } from '#formats/tree';
import { SLOT_SIZE } from '../layout.ts';
import type { ErofsEntry, ErofsInode } from './inode.ts';
import type { ErofsImage } from './reader.ts';
import { invalidImage } from './superblock.ts';

/**
 * Bounds a walk over a whole image. In a valid image nothing overlaps, so all inodes and blocks together are at most as long
 * as the image. In a hostile image many inodes may share their bytes, and a walk could need quadratic time. A budget of twice
 * the size leaves room for the empty chunk tables of V2.
 */
export class WalkBudget {
  #left: number;

  constructor(image: ErofsImage) {
    this.#left = 2 * image.sizeBytes;
  }

  /** Counts an inode and the bytes it holds. @throws FormatError EROFS_INVALID when the budget is spent */
  spend(image: ErofsImage, inode: ErofsInode): void {
    this.#left -= image.spanBytes(inode);
    if (inode.layout !== 'chunkBased') this.#left -= inode.sizeBytes;
    if (this.#left < 0) throw invalidImage(inode.offset, 'image', 'its structures overlap');
  }
}

/** Inode numbers of an image, one bit each: a Set of a million numbers needs forty times the memory. */
class NidSet {
  readonly #bits: Uint8Array;

  constructor(image: ErofsImage) {
    this.#bits = new Uint8Array(Math.ceil(image.sizeBytes / SLOT_SIZE / 8) + 1);
  }

  has(nid: number): boolean {
    return ((this.#bits[Math.floor(nid / 8)] as number) & (1 << (nid % 8))) !== 0;
  }

  add(nid: number): void {
    this.#bits[Math.floor(nid / 8)] =
      (this.#bits[Math.floor(nid / 8)] as number) | (1 << (nid % 8));
  }
}

/** An inode visited by a walk, under one of its names. */
export interface WalkedEntry {
  /** Path from the root without a leading slash; empty for the root. */
  readonly path: string;
  readonly name: string;
  readonly inode: ErofsInode;
  readonly depth: number;
  /** Another name of this inode has been visited before: a hard link. */
  readonly isRepeat: boolean;
}

/**
 * Visits every reachable name of an image, depth first, entries in byte order, and enters each directory once. With
 * `onUnreadable`, unreadable inodes are reported and skipped instead of thrown.
 * @throws FormatError EROFS_INVALID
 */
export function* walkImage(
  image: ErofsImage,
  onUnreadable?: (path: string, error: unknown) => void,
): Generator<WalkedEntry> {
  const budget = new WalkBudget(image);
  const known = new NidSet(image);
  const attempt = <T>(path: string, read: () => T): T | undefined => {
    if (onUnreadable === undefined) return read();
    try {
      return read();
    } catch (error) {
      onUnreadable(path, error);
      return undefined;
    }
  };
  const root = attempt('', () => image.inode(image.rootNid));
  if (root === undefined) return;
  const stack: Omit<WalkedEntry, 'isRepeat'>[] = [{ path: '', name: '', inode: root, depth: 0 }];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const { path, name, inode, depth } = at;
    const isRepeat = known.has(inode.nid);
    if (!isRepeat) budget.spend(image, inode);
    known.add(inode.nid);
    yield { path, name, inode, depth, isRepeat };
    if (inode.type !== 'directory' || isRepeat) continue;
    if (depth >= DEPTH_LIMIT) throw invalidImage(inode.offset, 'directory', 'is too deep');
    const children = attempt(path, () => [...image.entries(inode)]) ?? [];
    for (const entry of sortedDown(children)) {
      if (entry.name === '.' || entry.name === '..') continue;
      const childPath = path === '' ? entry.name : `${path}/${entry.name}`;
      const child = attempt(childPath, () => image.inode(entry.nid));
      if (child === undefined) continue;
      stack.push({ path: childPath, name: entry.name, inode: child, depth: depth + 1 });
    }
  }
}

function sortedDown(entries: ErofsEntry[]): ErofsEntry[] {
  return entries.sort((a, b) => (a.name < b.name ? 1 : a.name > b.name ? -1 : 0));
}
