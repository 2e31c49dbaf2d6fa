import type { OperationOptions } from '#base/flow';
import { startWorker } from '#host';
import type { Account } from './report.ts';
import type { StorePlace, SurveyRequest } from './survey-stores.ts';

/**
 * Accounts for stores: which bytes on the disk which image uses, each physical byte once. Changes nothing. Data that is not written to the
 * disk yet counts by its length, without a place.
 * @throws as the opening of each store that was given; UnsupportedError ACCOUNT_TOO_LARGE
 */
export async function accountFor(
  stores: readonly StorePlace[],
  { signal, onProgress }: OperationOptions = {},
): Promise<Account> {
  onProgress?.({ type: 'started', id: 'files', unit: 'items' });
  let files = 0;
  const module = new URL('./account-worker.ts', import.meta.url);
  await using worker = startWorker<SurveyRequest, never, number, Account>(
    module,
    { stores },
    {
      signal,
      name: 'account',
      onMessage: (count) => {
        files += count;
        onProgress?.({ type: 'advanced', id: 'files', done: files });
      },
    },
  );
  const account = await worker.done;
  onProgress?.({ type: 'done', id: 'files', transferred: files });
  return account;
}
