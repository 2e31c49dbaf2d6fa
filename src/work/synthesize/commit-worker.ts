import { serveWorker } from '#host';
import { openRepository } from '#stores/composefs';
import { FileStage, type ReflinkPolicy, type StageSeed } from '#stores/ostree';
import { FileStorer, type StoredFile } from './file-storer.ts';
import type { PlannedFile } from './plan.ts';

/** Start data of a thread. */
export interface CommitWorkerData {
  /** Absolute path of the composefs repository. */
  readonly repository: string;
  readonly insecure: boolean;
  readonly seed: StageSeed;
  readonly reflink: ReflinkPolicy;
}

/** Files to store, or the end of the files. */
export type CommitWorkerTask =
  | { readonly first: number; readonly files: readonly PlannedFile[] }
  | 'stop';

/** Results of the files of a task, in order. */
export interface CommitWorkerMessage {
  readonly first: number;
  readonly stored: readonly StoredFile[];
}

serveWorker<CommitWorkerData, CommitWorkerTask, CommitWorkerMessage, void>(
  async ({ repository: path, insecure, seed, reflink }, context) => {
    using repository = await openRepository(path, { insecure });
    using storer = new FileStorer(repository, new FileStage(seed), reflink);
    for await (const task of context.messages()) {
      if (task === 'stop') break;
      const stored = await storer.storeAll(task.files, context.isCancelled);
      if (stored === undefined) return;
      context.post({ first: task.first, stored });
    }
  },
);
