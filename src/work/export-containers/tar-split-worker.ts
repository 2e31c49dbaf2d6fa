import { serveWorker } from '#host';
import { openRepository } from '#stores/composefs';
import { type TarSplitOrder, writeTarSplit } from './tar-split-file.ts';

/** What the thread is started with. */
export interface TarSplitWork {
  /** Absolute path of the repository. */
  readonly repository: string;
  readonly layers: readonly TarSplitOrder[];
}

/** Writes the tar-splits of several layers; the result is the sizes of their tars. */
serveWorker<TarSplitWork, never, never, readonly number[]>(async (work, context) => {
  using repository = await openRepository(work.repository, { insecure: true });
  const sizes: number[] = [];
  for (const layer of work.layers) {
    if (context.isCancelled()) break;
    sizes.push(await writeTarSplit(repository, layer, () => context.isCancelled()));
  }
  return sizes;
});
