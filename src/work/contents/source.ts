import type { OperationOptions } from '#base/flow';
import type { ChunkedFile } from '#formats/chunked';
import type { WantedContents } from './wanted.ts';

/** What is looked for: files with content in the order of their layer, and what was found of them so far. */
export interface ContentSearch extends Pick<OperationOptions, 'signal'> {
  readonly files: readonly ChunkedFile[];
  readonly wanted: WantedContents;
}

/**
 * Something on this host that may hold contents: this repository, another store. It offers places to `wanted`, as many as it likes; each
 * is verified when it is used, so that a wrong or vanished one costs a transfer and nothing else.
 */
export interface ContentSource {
  /** Offers what it has of what is still missing. @throws nothing but HostError, FormatError and the reason of the signal */
  offer(search: ContentSearch): Promise<void>;
}
