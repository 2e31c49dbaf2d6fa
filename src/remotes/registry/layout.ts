import { MEDIA_TYPES } from '#formats/oci';

/** Longest WWW-Authenticate that is read, in bytes. */
export const CHALLENGE_MAX_BYTES = 8_192;
/** Most challenges of an answer, and parameters of a challenge. */
export const CHALLENGES_MAX = 16;
export const CHALLENGE_PARAMETERS_MAX = 32;
/** Longest answer of a token server, in bytes. */
export const TOKEN_ANSWER_MAX_BYTES = 1 << 20;
/** Longest token that is sent on, in characters: it must fit into a header beside others. */
export const TOKEN_MAX_CHARS = 32_768;
/** Lifetime of a token that states none, and the shortest that is believed, in seconds. Source: Docker token specification. */
export const TOKEN_LIFE_MIN_SEC = 60;
/** Longest lifetime of a token that is believed, in seconds. */
export const TOKEN_LIFE_MAX_SEC = 86_400;
/** Longest answer to a ping, an upload request and the like, in bytes. */
export const SMALL_ANSWER_MAX_BYTES = 65_536;
/** Longest page of tags or referrers, in bytes. */
export const PAGE_MAX_BYTES = 4 << 20;
/** Most pages of a list, and most tags of a repository. */
export const PAGES_MAX = 10_000;
export const TAGS_MAX = 1_000_000;
/** Characters of a registry's own words that a message repeats. */
export const PROBLEM_MAX_CHARS = 300;
/** Remaining requests of a rate limit below which the user is warned. */
export const RATE_REMAINING_LOW = 5;
/** Blobs up to this size are sent in one request that closes the upload, in bytes. */
export const MONOLITHIC_MAX_BYTES = 64 << 20;
/** Least size of a chunk, where chunks are sent, in bytes. */
export const CHUNK_MIN_BYTES = 16 << 20;
/** Largest size of a chunk that a registry may ask for, in bytes. */
export const CHUNK_MAX_BYTES = 1 << 30;
/** Times that an upload begins again, or goes on, without having got further. */
export const UPLOAD_TRIES_MAX = 4;
/** Times that the list of referrers kept under a tag is written when others write it too. */
export const REFERRERS_WRITES_MAX = 5;
/** Ranges of one request: with their commas they fit into the 8 KiB of headers that servers accept at least. */
export const RANGES_PER_REQUEST_MAX = 128;
/** Transfers from one host at the same time. */
export const HOST_CONNECTIONS_MAX = 8;

/**
 * Types of manifests that are asked for, always all of them: docker-registry answers 404 to a request that does not accept
 * the type it has. Docker schema 1 is not among them.
 */
export const MANIFEST_ACCEPT = [
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.dockerList,
].join(', ');

/** Content types that say nothing about the kind of a manifest. */
export const VAGUE_TYPES: ReadonlySet<string> = new Set([
  '',
  'text/plain',
  'application/json',
  'application/octet-stream',
]);
