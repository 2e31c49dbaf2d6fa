import type { Stat } from '../model.ts';

/** Metadata except the time, which files share, or a whole stat whose seconds no number holds exactly. */
interface Owner extends Pick<Stat, 'mode' | 'uid' | 'gid' | 'xattrs'> {
  readonly whole: Stat | undefined;
}

/** Owners that are found again: files next to each other mostly have the same. A power of two. */
const RECENT_OWNERS = 64;
const CAPACITY_MIN = 16;

/**
 * Stats as columns: almost every file has a time of its own, and an object for each would need six times the memory. `at` makes a stat when
 * it is asked for one; equal stats in a row are one object.
 */
export class StatList {
  #owners: Owner[] = [];
  /** Numbers of owners by their hash. */
  readonly #recent = new Int32Array(RECENT_OWNERS).fill(-1);
  #ownerOf = new Uint32Array(CAPACITY_MIN);
  #mtimeSec = new Float64Array(CAPACITY_MIN);
  #mtimeNsec = new Uint32Array(CAPACITY_MIN);
  #last: Stat | undefined;

  /** Sets the stat at an index, which may be the first one that is free. */
  set(index: number, stat: Stat): void {
    if (index >= this.#ownerOf.length) this.#grow();
    const seconds = Number(stat.mtimeSec);
    this.#ownerOf[index] = this.#findOwner(stat, Number.isSafeInteger(seconds) ? undefined : stat);
    this.#mtimeSec[index] = seconds;
    this.#mtimeNsec[index] = stat.mtimeNsec;
  }

  at(index: number): Stat {
    const { whole, mode, uid, gid, xattrs } = this.#owners[this.#ownerOf[index] as number] as Owner;
    if (whole !== undefined) return whole;
    const mtimeSec = BigInt(this.#mtimeSec[index] as number);
    const mtimeNsec = this.#mtimeNsec[index] as number;
    const last = this.#last;
    if (
      last?.mtimeSec === mtimeSec &&
      last.mtimeNsec === mtimeNsec &&
      last.xattrs === xattrs &&
      last.mode === mode &&
      last.uid === uid &&
      last.gid === gid
    ) {
      return last;
    }
    this.#last = { mode, uid, gid, mtimeSec, mtimeNsec, xattrs };
    return this.#last;
  }

  /** Copies the stat at one index to another one, which is not above it. */
  move(from: number, to: number): void {
    this.#ownerOf[to] = this.#ownerOf[from] as number;
    this.#mtimeSec[to] = this.#mtimeSec[from] as number;
    this.#mtimeNsec[to] = this.#mtimeNsec[from] as number;
  }

  clone(): StatList {
    const copy = new StatList();
    copy.#owners = this.#owners.slice();
    copy.#ownerOf = this.#ownerOf.slice();
    copy.#mtimeSec = this.#mtimeSec.slice();
    copy.#mtimeNsec = this.#mtimeNsec.slice();
    return copy;
  }

  #findOwner({ mode, uid, gid, xattrs }: Stat, whole: Stat | undefined): number {
    const slot = (Math.imul(uid + Math.imul(gid, 31), 0x9e3779b1) ^ mode) & (RECENT_OWNERS - 1);
    const recent = this.#recent[slot] as number;
    const known = this.#owners[recent];
    if (
      known?.xattrs === xattrs &&
      known.whole === whole &&
      known.mode === mode &&
      known.uid === uid &&
      known.gid === gid
    ) {
      return recent;
    }
    this.#recent[slot] = this.#owners.length;
    return this.#owners.push({ mode, uid, gid, xattrs, whole }) - 1;
  }

  #grow(): void {
    const capacity = this.#ownerOf.length + (this.#ownerOf.length >> 1);
    const [ownerOf, mtimeSec, mtimeNsec] = [this.#ownerOf, this.#mtimeSec, this.#mtimeNsec];
    this.#ownerOf = new Uint32Array(capacity);
    this.#ownerOf.set(ownerOf);
    this.#mtimeSec = new Float64Array(capacity);
    this.#mtimeSec.set(mtimeSec);
    this.#mtimeNsec = new Uint32Array(capacity);
    this.#mtimeNsec.set(mtimeNsec);
  }
}
