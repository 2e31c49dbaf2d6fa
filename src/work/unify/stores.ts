import type { OperationOptions } from '#base/flow';
import type { Repository } from '#stores/composefs';
import type { ContainersStore } from '#stores/containers';
import type { OstreeRepo } from '#stores/ostree';
import type { Sysroot } from './sysroot.ts';

/** The stores of a sysroot that exist, open for reading. The composefs repository is locked shared. */
export interface Stores extends Disposable {
  readonly composefs: Repository | undefined;
  readonly storage: ContainersStore | undefined;
  readonly ostree: OstreeRepo | undefined;
}

/** Opens what exists; creates nothing. @throws as opening the stores */
export async function openStores(
  sysroot: Sysroot,
  options: OperationOptions = {},
): Promise<Stores> {
  const opened: Disposable[] = [];
  const close = () => {
    for (const one of opened.splice(0)) one[Symbol.dispose]();
  };
  const keep = <Store extends Disposable>(store: Store | undefined): Store | undefined => {
    if (store !== undefined) opened.push(store);
    return store;
  };
  try {
    const composefs = keep(await sysroot.openComposefs(options));
    const storage = keep(await sysroot.openStorage(options));
    const ostree = keep(sysroot.openOstree());
    return { composefs, storage, ostree, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}
