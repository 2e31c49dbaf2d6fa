import type { OperationOptions } from '#base/flow';
import { startWorker } from '#host';
import type { DedupReport, DedupRequest } from './share.ts';

/**
 * Finds equal files in stores, and with `isDryRun: false` makes them share their blocks. Files of a composefs repository are never changed; equal
 * files of other stores share with them. Next in precedence are files of OSTree repositories, then files of image layers. Layers of containers
 * are not touched. While files of a containers-storage change their blocks, its layers are locked as podman locks them, for a second at a time.
 * @throws as the opening of each store; BusyError STORE_LOCKED; UnsupportedError ACCOUNT_TOO_LARGE
 */
export async function dedupStores(
  request: DedupRequest,
  { signal, onProgress }: OperationOptions = {},
): Promise<DedupReport> {
  const id = 'files';
  onProgress?.({ type: 'started', id, unit: 'items' });
  let files = 0;
  const module = new URL('./dedup-worker.ts', import.meta.url);
  await using worker = startWorker<DedupRequest, never, number, DedupReport>(module, request, {
    signal,
    name: 'onecopy-dedup',
    onMessage: (count) => {
      files += count;
      onProgress?.({ type: 'advanced', id, done: files });
    },
  });
  const report = await worker.done;
  onProgress?.({ type: 'done', id, transferred: files });
  return report;
}
