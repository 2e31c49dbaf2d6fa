import type { HttpClientOptions } from '#remotes/http';

/** Options of a remote repository. */
export interface OstreeRemoteOptions {
  /** `url` of the remote; `mirrorlist=URL` is understood. */
  readonly url: string;
  /** URL of objects and delta parts, if it differs from `url`. */
  readonly contentUrl?: string;
  readonly http?: HttpClientOptions;
  /** Called with the number of received bytes; synchronous and cheap. */
  readonly onBytes?: ((bodyBytes: number) => void) | undefined;
}

/** Validators of a file, for a conditional request. */
export interface Validators {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/** Result of a conditional request: new bytes, or the information that the local copy is current. */
export type Conditional =
  | { readonly isCurrent: true }
  | { readonly isCurrent: false; readonly bytes: Uint8Array; readonly validators: Validators };

/** A file object that is being received: the bytes of a `.filez`, complete if it is small. */
export interface RemoteFile {
  /** Size of the `.filez` in bytes, if the server states it. */
  readonly sizeBytes: number | undefined;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** Options of one request. */
export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Bytes received and requests answered since the remote was opened. */
export interface RemoteTraffic {
  readonly requests: number;
  readonly bodyBytes: number;
}
