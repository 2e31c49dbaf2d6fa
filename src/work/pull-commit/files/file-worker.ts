import type { OstreeChecksum } from '#base/digest';
import type { FilezWarning } from '#formats/ostree';
import { type CarriedError, carryError, serveWorker } from '#host';
import { OstreeRemote, type OstreeRemoteOptions, type RemoteTraffic } from '#remotes/ostree';
import type { ObjectWriterSeed } from '#stores/composefs';
import { openOstreeRepo } from '#stores/ostree';
import { type FetchedFiles, FileFetcher } from './file-fetcher.ts';
import { FileTools } from './file-tools.ts';

/** What a worker is started with. */
export interface FileWorkerData {
  readonly seed: ObjectWriterSeed;
  readonly journalFd: number | undefined;
  readonly origin: FileWorkerOrigin;
  /** True when there is time before the first file. */
  readonly prepares: boolean;
}

/** Where a worker finds files: it opens the place itself. */
export type FileWorkerOrigin =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'remote'; readonly options: OstreeRemoteOptions };

/** What a worker is told: the files that are wanted, or that there will be no more. */
export type FileWorkerTask = readonly OstreeChecksum[] | 'stop';

/** What a worker says: that it is there, or what became of some files. */
export type FileWorkerMessage = { readonly ready: true } | CarriedFiles;

/** What became of some files, as it crosses threads. */
export interface CarriedFiles {
  /** Records of the files that were stored, one after the other. */
  readonly records: Uint8Array;
  readonly missing: readonly OstreeChecksum[];
  readonly failures: readonly CarriedError[];
  readonly warnings: readonly FilezWarning[];
  /** Of the worker, since it began. */
  readonly traffic: RemoteTraffic | undefined;
}

serveWorker<FileWorkerData, FileWorkerTask, FileWorkerMessage, void>(async (data, context) => {
  const { seed, journalFd } = data;
  const origin = openOrigin(data.origin);
  await using _held = origin.kind === 'local' ? origin.repo : origin.remote;
  const stop = new AbortController();
  const tools = new FileTools(seed, journalFd);
  const fetcher = new FileFetcher({
    tools,
    origin,
    signal: stop.signal,
    isCancelled: context.isCancelled,
    onFetched: (files) => {
      const carried = carry(files, origin.kind === 'remote' ? origin.remote.traffic : undefined);
      context.post(carried, [carried.records.buffer as ArrayBuffer]);
    },
  });
  context.post({ ready: true });
  if (data.prepares) fetcher.connectAhead();
  for await (const task of context.messages()) {
    if (task === 'stop') break;
    fetcher.add(task);
  }
  stop.abort();
  fetcher.finish();
});

function openOrigin(origin: FileWorkerOrigin) {
  return origin.kind === 'local'
    ? ({ kind: 'local', repo: openOstreeRepo(origin.path) } as const)
    : ({ kind: 'remote', remote: new OstreeRemote(origin.options) } as const);
}

function carry(
  { stored, missing, failures, warnings }: FetchedFiles,
  traffic: RemoteTraffic | undefined,
): CarriedFiles {
  let length = 0;
  for (const { encoded } of stored) length += encoded.length;
  const records = new Uint8Array(length);
  let at = 0;
  for (const { encoded } of stored) {
    records.set(encoded, at);
    at += encoded.length;
  }
  const carried = failures.map(({ error }) => carryError(error));
  return { records, missing, failures: carried, warnings, traffic };
}
