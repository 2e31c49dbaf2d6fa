import type { HttpClientOptions } from '#remotes/http';

/** Which repository to read and how. */
export interface OstreeRemoteOptions {
  /** `url` of the remote; `mirrorlist=URL` is understood. */
  readonly url: string;
  /** Where objects and delta parts are, when not at `url`. */
  readonly contentUrl?: string;
  readonly http?: HttpClientOptions;
  /** Told how many bytes of bodies have come so far; synchronous and cheap. */
  readonly onBytes?: ((bodyBytes: number) => void) | undefined;
}

/** What the server said about a file, to ask later only for a newer one. */
export interface Validators {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/** A file that may have a newer version: bytes, or the news that the copy at hand is current. */
export type Conditional =
  | { readonly isCurrent: true }
  | { readonly isCurrent: false; readonly bytes: Uint8Array; readonly validators: Validators };

/** A file object on its way: the bytes of a `.filez`, whole when small. */
export interface RemoteFile {
  /** Size of the `.filez` in bytes where the server states it. */
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
