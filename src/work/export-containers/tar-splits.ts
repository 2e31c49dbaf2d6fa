import { availableParallelism } from 'node:os';
import { displayText } from '#base/bytes';
import { resolvedPathOf, startWorker } from '#host';
import type { Repository } from '#stores/composefs';
import type { StagedLayer } from '#stores/containers';
import type { PlannedLayer } from './planned-layer.ts';
import type { TarSplitOrder } from './tar-split-file.ts';
import type { TarSplitWork } from './tar-split-worker.ts';

/** Threads for tar-splits: while they work, another thread writes the files. */
const THREADS_MAX = 2;
/** Layers of less than this are not worth another thread, in bytes of their blobs. */
const THREAD_BYTES = 16 << 20;

/** Tar-splits that threads write. */
export interface TarSplits extends AsyncDisposable {
  /** Sizes of the tars in bytes, by layer. */
  readonly sizes: Promise<ReadonlyMap<string, number>>;
  /** Ends the threads early. */
  cancel(): Promise<void>;
}

/** Writes the tar-splits of layers into their staged files, each layer in one thread. @throws (from `sizes`) as `writeTarSplit` */
export function startTarSplits(
  repository: Repository,
  missing: readonly PlannedLayer[],
  staged: readonly StagedLayer[],
  signal: AbortSignal | undefined,
): TarSplits {
  const module = new URL('./tar-split-worker.ts', import.meta.url);
  const path = displayText(resolvedPathOf(repository.root));
  const workers = shares(missing).map((share) => {
    const layers: readonly TarSplitOrder[] = share.map((at) => {
      const { streamId, diffId } = missing[at] as PlannedLayer;
      return { streamId, diffId, fd: staged[at]?.tarSplit.fd ?? -1 };
    });
    const work: TarSplitWork = { repository: path, layers };
    const how = { signal, name: 'onecopy-tar-split' };
    const worker = startWorker<TarSplitWork, never, never, readonly number[]>(module, work, how);
    const sizes = worker.done.then((found) =>
      share.map((at, index) => [missing[at]?.id ?? '', found[index] ?? 0] as const),
    );
    return { worker, sizes };
  });
  const sizes = Promise.all(workers.map((one) => one.sizes)).then((all) => new Map(all.flat()));
  sizes.catch(() => {}); // The caller awaits it when the files are written.
  const cancel = async () => {
    for (const { worker } of workers) worker.cancel();
    await Promise.allSettled(workers.map(({ worker }) => worker.done));
  };
  return {
    sizes,
    cancel,
    async [Symbol.asyncDispose]() {
      for (const { worker } of workers) await worker[Symbol.asyncDispose]();
    },
  };
}

/** Positions of layers by thread: the largest layers first, each for the thread that has least to do. */
function shares(missing: readonly PlannedLayer[]): readonly (readonly number[])[] {
  const sizes = missing.map(({ blob }) => blob.sizeBytes);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const wanted = Math.floor(total / THREAD_BYTES);
  const threads = Math.max(
    1,
    Math.min(THREADS_MAX, availableParallelism(), missing.length, wanted),
  );
  const found = Array.from({ length: threads }, () => ({ bytes: 0, layers: [] as number[] }));
  const order = [...sizes.keys()].sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
  for (const at of order) {
    const [least] = found.toSorted((a, b) => a.bytes - b.bytes);
    least?.layers.push(at);
    if (least !== undefined) least.bytes += sizes[at] ?? 0;
  }
  return found.map(({ layers }) => layers).filter((layers) => layers.length > 0);
}
