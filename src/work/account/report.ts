import type { SetTotals } from './extents/extent-table.ts';
import type { OwnerSets } from './extents/owner-sets.ts';
import type { Unseen, Walker } from './extents/walker.ts';
import type { Owner, OwnerKind } from './owners.ts';
import type { StorePlace } from './survey-stores.ts';

/** Most rows of `sharedWith`, those with the most bytes first. */
const SHARED_WITH_MAX = 16;

/** Bytes on the disk. */
export interface Usage {
  /** Everything that it uses, shared or not. */
  readonly totalBytes: number;
  /** What nothing else that was examined uses. */
  readonly exclusiveBytes: number;
  readonly sharedBytes: number;
  /** What becomes free when it is removed and the garbage of its store collected. */
  readonly reclaimableBytes: number;
}

/** What an image, a commit, a container, or the rest of a store uses. */
export interface OwnerUsage extends Usage {
  readonly kind: OwnerKind;
  /** Label of its store. */
  readonly store: string;
  readonly names: readonly string[];
  readonly id: string | undefined;
  readonly sharedWith: readonly { name: string; store: string; bytes: number }[];
}

/** What a store uses. */
export interface StoreUsage extends Usage {
  readonly kind: StorePlace['kind'];
  readonly store: string;
  readonly files: number;
  readonly sharedWith: readonly { store: string; bytes: number }[];
  readonly unseen: readonly Unseen[];
  readonly problems: readonly string[];
}

/** What a filesystem holds. */
export interface FilesystemUsage {
  /** A directory in it. */
  readonly path: string;
  readonly totalBytes: number;
  /** As the filesystem says (statfs), metadata included. */
  readonly usedBytes: number;
  /** Of these, what the stores use. */
  readonly accountedBytes: number;
  /** Of these, at most so many are in compressed extents, whose length on the disk the filesystem does not tell. */
  readonly encodedBytes: number;
  /** Files whose extents the filesystem does not tell: they count by their blocks, and their sharing is not seen. */
  readonly unmappedFiles: number;
}

/** The account of some stores. */
export interface Account {
  readonly stores: readonly StoreUsage[];
  readonly owners: readonly OwnerUsage[];
  readonly filesystems: readonly FilesystemUsage[];
  /** Each physical byte once. */
  readonly accountedBytes: number;
  readonly extents: number;
}

/** A store after its survey. */
export interface SurveyedStore {
  readonly place: StorePlace;
  readonly files: number;
  readonly unseen: readonly Unseen[];
  readonly problems: readonly string[];
}

/** What was surveyed. */
export interface Surveyed {
  readonly stores: readonly SurveyedStore[];
  readonly owners: readonly Owner[];
  readonly sets: OwnerSets;
  readonly walker: Walker;
}

/** Sweeps the extents of all filesystems, and adds up for owners and for stores. */
export function reportAccount({ stores, owners, sets, walker }: Surveyed): Account {
  const filesystems: FilesystemUsage[] = [];
  let extents = 0;
  const byOwner = new Shares(owners.length);
  const byStore = new Shares(stores.length);
  for (const { table, path, totalBytes, usedBytes, unmappedFiles } of walker.filesystems.values()) {
    extents += table.size;
    const totals = table.sweep(sets);
    byOwner.add(totals, (set) => sets.members(set));
    byStore.add(totals, (set) => [
      ...new Set(sets.members(set).map((owner) => owners[owner]?.store ?? 0)),
    ]);
    const accountedBytes = sum(totals.bytes);
    const encodedBytes = sum(totals.encodedBytes);
    filesystems.push({ path, totalBytes, usedBytes, accountedBytes, encodedBytes, unmappedFiles });
  }
  const labels = stores.map(({ place }) => place.label);
  return {
    stores: stores.map(({ place, files, unseen, problems }, index) => ({
      kind: place.kind,
      store: place.label,
      ...byStore.usageOf(index),
      sharedWith: byStore.sharedWith(index).map(([other, bytes]) => {
        return { store: labels[other] ?? '', bytes };
      }),
      files,
      unseen,
      problems,
    })),
    owners: owners.map((owner, index) => ({
      kind: owner.kind,
      store: labels[owner.store] ?? '',
      names: owner.names,
      id: owner.id,
      ...byOwner.usageOf(index),
      // The records of a store stay for as long as the store does.
      ...(owner.kind === 'records' ? { reclaimableBytes: 0 } : {}),
      sharedWith: byOwner.sharedWith(index).map(([other, bytes]) => ({
        name: owners[other]?.names[0] ?? owners[other]?.kind ?? '',
        store: labels[owners[other]?.store ?? 0] ?? '',
        bytes,
      })),
    })),
    filesystems,
    accountedBytes: filesystems.reduce((total, { accountedBytes }) => total + accountedBytes, 0),
    extents,
  };
}

function sum(column: Float64Array): number {
  return column.reduce((total, bytes) => total + bytes, 0);
}

/** Bytes of members, which are owners or stores, and of pairs of them. */
class Shares {
  readonly #total: Float64Array;
  readonly #exclusive: Float64Array;
  readonly #elsewhere: Float64Array;
  readonly #pairs: Map<number, number>[];

  constructor(count: number) {
    this.#total = new Float64Array(count);
    this.#exclusive = new Float64Array(count);
    this.#elsewhere = new Float64Array(count);
    this.#pairs = Array.from({ length: count }, () => new Map());
  }

  add({ bytes, elsewhereBytes }: SetTotals, membersOf: (set: number) => readonly number[]): void {
    for (const [set, count] of bytes.entries()) {
      if (count === 0) continue;
      const members = membersOf(set);
      const [only = 0] = members;
      if (members.length === 1) {
        this.#exclusive[only] = (this.#exclusive[only] ?? 0) + count;
        this.#elsewhere[only] = (this.#elsewhere[only] ?? 0) + (elsewhereBytes[set] ?? 0);
      }
      for (const member of members) {
        this.#total[member] = (this.#total[member] ?? 0) + count;
        const pairs = this.#pairs[member];
        for (const other of members) {
          if (other !== member) pairs?.set(other, (pairs.get(other) ?? 0) + count);
        }
      }
    }
  }

  usageOf(member: number): Usage {
    const totalBytes = this.#total[member] ?? 0;
    const exclusiveBytes = this.#exclusive[member] ?? 0;
    const reclaimableBytes = exclusiveBytes - (this.#elsewhere[member] ?? 0);
    return {
      totalBytes,
      exclusiveBytes,
      sharedBytes: totalBytes - exclusiveBytes,
      reclaimableBytes,
    };
  }

  sharedWith(member: number): readonly (readonly [other: number, bytes: number])[] {
    const pairs = [...(this.#pairs[member] ?? [])].sort((a, b) => b[1] - a[1]);
    return pairs.slice(0, SHARED_WITH_MAX);
  }
}
