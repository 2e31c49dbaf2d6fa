import { MEDIA_TYPES } from '#formats/oci';

/** Longest WWW-Authenticate that is read, in bytes. */
export const CHALLENGE_MAX_BYTES = 8_192;
/** Largest number of challenges in a response, and of parameters in a challenge. */
export const CHALLENGES_MAX = 16;
export const CHALLENGE_PARAMETERS_MAX = 32;
/** Longest answer of a token server, in bytes. */
export const TOKEN_ANSWER_MAX_BYTES = 1 << 20;
/** Longest token that is used, in characters: it must fit into a header. */
export const TOKEN_MAX_CHARS = 32_768;
/** Default and smallest lifetime of a token, in seconds. Source: Docker token specification. */
export const TOKEN_LIFE_MIN_SEC = 60;
/** Longest accepted lifetime of a token, in seconds. */
export const TOKEN_LIFE_MAX_SEC = 86_400;
/** Longest answer to a ping, an upload request and the like, in bytes. */
export const SMALL_ANSWER_MAX_BYTES = 65_536;
/** Longest page of tags or referrers, in bytes. */
export const PAGE_MAX_BYTES = 4 << 20;
/** Largest number of pages of a list, and of tags of a repository. */
export const PAGES_MAX = 10_000;
export const TAGS_MAX = 1_000_000;
/** Longest message of a registry that an error repeats, in characters. */
export const PROBLEM_MAX_CHARS = 300;
/** Remaining requests of a rate limit below which the user is warned. */
export const RATE_REMAINING_LOW = 5;
/** Blobs up to this size are sent in the request that closes the upload, in bytes. */
export const MONOLITHIC_MAX_BYTES = 64 << 20;
/** Smallest size of a chunk, in bytes. */
export const CHUNK_MIN_BYTES = 16 << 20;
/** Largest chunk size that a registry may require, in bytes. */
export const CHUNK_MAX_BYTES = 1 << 30;
/** Number of restarts or resumptions of an upload without progress. */
export const UPLOAD_TRIES_MAX = 4;
/** Number of attempts to write the list of referrers under a tag while other clients write it. */
export const REFERRERS_WRITES_MAX = 5;
/** Largest number of ranges of one request: they fit into 8 KiB of headers, which all servers accept. */
export const RANGES_PER_REQUEST_MAX = 128;
/** Requests of one range each that run at the same time. */
export const RANGES_AT_A_TIME = 4;
/** Transfers from one host at the same time. */
export const HOST_CONNECTIONS_MAX = 8;

/**
 * Accepted types of manifests. All of them are always sent: docker-registry answers 404 if a request does not accept the stored type.
 * Docker schema 1 is not included.
 */
export const MANIFEST_ACCEPT = [
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.dockerList,
].join(', ');

/** Content types that do not identify a manifest. */
export const VAGUE_TYPES: ReadonlySet<string> = new Set([
  '',
  'text/plain',
  'application/json',
  'application/octet-stream',
]);
