import { hasCode } from '#base/errors';
import type { Dir } from '#host';
import { openRepository } from '#stores/composefs';
import { lockToWrite, openContainersStore, type StorageRoot } from '#stores/containers';
import { openOstreeRepo } from '#stores/ostree';
import type { StorePlace } from '#work/account';

/** Part of a store: files below a directory. */
export interface FilePart {
  /** Index of its store. */
  readonly store: number;
  readonly root: Dir;
  /** Folders below the root. */
  readonly folders: readonly string[];
  /** Files of lower rank are kept, and files of higher rank share with them. */
  readonly rank: number;
  /** False if the blocks of the files must not change. */
  readonly mayChange: boolean;
  /** Locks the files against changes. */
  lock?(isCancelled: () => boolean): Promise<Disposable>;
}

const RANK = { composefs: 0, ostree: 1, containers: 2 } as const;
/** Timeouts of the lock of layers, for one attempt and in total, in milliseconds. */
const LOCK_STEP_MS = 200;
const LOCK_TIMEOUT_MS = 300_000;

/**
 * Opens the stores; adds what it opens to `owned`.
 * @throws as `openRepository`, `openOstreeRepo`, `openContainersStore`
 */
export async function openParts(
  stores: readonly StorePlace[],
  owned: DisposableStack,
  onProblem: (text: string) => void,
): Promise<FilePart[]> {
  const parts: FilePart[] = [];
  for (const [store, place] of stores.entries()) {
    if (place.kind === 'composefs') {
      const repository = owned.use(await openRepository(place.path, {}));
      const { root } = repository;
      parts.push({ store, root, folders: ['objects'], rank: RANK.composefs, mayChange: false });
    } else if (place.kind !== 'containers-storage') {
      const repo = owned.use(openOstreeRepo(place.path));
      const lock = await repo.lockForReading();
      if (lock !== undefined) owned.use(lock);
      const { root } = repo;
      parts.push({ store, root, folders: ['objects'], rank: RANK.ostree, mayChange: true });
    } else {
      const opened = owned.use(await openContainersStore(place.places));
      for (const [root, folders] of opened.imageFolders(onProblem)) {
        parts.push({
          store,
          root: root.dir,
          folders: [...folders],
          rank: RANK.containers,
          mayChange: root.role !== 'additional',
          lock: (isCancelled) => lockLayers(root, isCancelled),
        });
      }
    }
  }
  return parts;
}

async function lockLayers(root: StorageRoot, isCancelled: () => boolean): Promise<Disposable> {
  const until = performance.now() + LOCK_TIMEOUT_MS;
  for (;;) {
    try {
      return await lockToWrite(root, 'layers', { timeoutMs: LOCK_STEP_MS });
    } catch (error) {
      if (!hasCode(error, 'STORE_LOCKED') || isCancelled() || performance.now() > until) {
        throw error;
      }
    }
  }
}
