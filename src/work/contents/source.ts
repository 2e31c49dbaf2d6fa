import type { OperationOptions } from '#base/flow';
import type { ChunkedFile } from '#formats/chunked';
import type { WantedContents } from './wanted.ts';

/** A search: files with content in the order of their layer, and what was found of them so far. */
export interface ContentSearch extends Pick<OperationOptions, 'signal'> {
  readonly files: readonly ChunkedFile[];
  readonly wanted: WantedContents;
}

/**
 * A store on this host that may have content: this repository, or another store. It offers any number of places to `wanted`. Each place is
 * verified when it is used, so a wrong or missing one costs one transfer only.
 */
export interface ContentSource {
  /** Offers its content for what is still missing. @throws nothing but HostError, FormatError and the reason of the signal */
  offer(search: ContentSearch): Promise<void>;
}
