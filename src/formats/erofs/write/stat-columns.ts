import type { Stat } from '#formats/tree';

/** Modes, owners and times of inodes, by inode number. */
export class StatColumns {
  /** Permission bits. */
  readonly mode: Uint16Array;
  readonly uid: Uint32Array;
  readonly gid: Uint32Array;
  /** Halves of the two's complement of the seconds. */
  readonly mtimeLow: Uint32Array;
  readonly mtimeHigh: Uint32Array;
  readonly mtimeNsec: Uint32Array;

  constructor(count: number) {
    this.mode = new Uint16Array(count);
    this.uid = new Uint32Array(count);
    this.gid = new Uint32Array(count);
    this.mtimeLow = new Uint32Array(count);
    this.mtimeHigh = new Uint32Array(count);
    this.mtimeNsec = new Uint32Array(count);
  }

  set(inode: number, { mode, uid, gid, mtimeSec, mtimeNsec }: Stat): void {
    this.mode[inode] = mode & 0o7777;
    this.uid[inode] = uid;
    this.gid[inode] = gid;
    this.mtimeLow[inode] = Number(BigInt.asUintN(32, mtimeSec));
    this.mtimeHigh[inode] = Number(BigInt.asUintN(32, mtimeSec >> 32n));
    this.mtimeNsec[inode] = mtimeNsec;
  }

  /**
   * An inode with the smallest mtime. composefs-rs compares seconds as unsigned, so times before 1970 are never chosen; C compares as
   * signed. Source: core spec 4.5, 5.6
   */
  findMinimum(isSigned: boolean): number {
    let minimum = 0;
    for (let inode = 1; inode < this.mode.length; inode += 1) {
      const high = isSigned ? this.#signedHigh(inode) - this.#signedHigh(minimum) : 0;
      if ((high || this.compareMtime(inode, minimum)) < 0) minimum = inode;
    }
    return minimum;
  }

  /** Negative when the mtime of `a` is smaller, with unsigned seconds. */
  compareMtime(a: number, b: number): number {
    return (
      (this.mtimeHigh[a] as number) - (this.mtimeHigh[b] as number) ||
      (this.mtimeLow[a] as number) - (this.mtimeLow[b] as number) ||
      (this.mtimeNsec[a] as number) - (this.mtimeNsec[b] as number)
    );
  }

  #signedHigh(inode: number): number {
    return (this.mtimeHigh[inode] as number) | 0;
  }
}
