import * as v from 'valibot';
import { compat, flag, maybeCount, maybeText, text, texts } from './schemas.ts';

/** Trusted keys: paths of keyrings for GPG; for ed25519 the key in base64, or the path of its file. */
export const trustKeys = { gpgKey: texts, signKey: texts };

/** Selection of a remote, and options for its server. Paths are absolute. */
export const remoteKeys = {
  /** Settings of remotes: a config file or a file of `remotes.d`; requires `remote`, a name in that file. */
  remoteConfig: maybeText,
  remote: maybeText,
  verifySummary: flag,
  acceptExpired: flag,
  /** Key of the summary index of flatpak. */
  subset: maybeText,
  /** `NAME=VALUE` or `NAME: VALUE`. */
  httpHeader: texts,
  retries: maybeCount,
  stallTimeoutSec: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
};

/** Keys of a pull of commits beside the reference. Paths are absolute. */
export const commitPullKeys = {
  mirror: flag,
  /** Number of ancestors to pull, too; -1 for all. */
  depth: v.optional(v.pipe(v.number(), v.integer(), v.minValue(-1))),
  subpath: texts,
  commitMetadataOnly: flag,
  base: texts,
  /** False fetches single objects instead of deltas. */
  delta: v.optional(v.boolean()),
  requireDelta: flag,
  ...trustKeys,
  ...remoteKeys,
  summary: maybeText,
  summarySignatures: maybeText,
  collection: maybeText,
  /** False accepts a commit that is bound to other refs. */
  verifyBindings: v.optional(v.boolean()),
  timestampCheck: flag,
  timestampCheckFrom: maybeText,
  keepSignatures: flag,
  /** Verify the contents of stored objects before they are reused. */
  verifyReused: flag,
  compat,
};

/** Keys that images have, too. */
export const SHARED_KEYS: readonly string[] = ['verifyReused', 'base', 'compat'];

/** Keys that do not apply to a repository on this host. */
export const SERVER_KEYS = [
  'verifySummary',
  'acceptExpired',
  'subset',
  'httpHeader',
  'retries',
  'stallTimeoutSec',
  'summary',
  'summarySignatures',
] as const;

/** A request with a configured remote. */
export const remoteSchema = v.object(remoteKeys);
export type RemoteKeys = v.InferOutput<typeof remoteSchema>;
/** A request with trusted keys. */
export const trustSchema = v.object(trustKeys);
export type TrustKeys = v.InferOutput<typeof trustSchema>;
/** A pull of commits. */
export const commitPullSchema = v.object({ reference: text, names: texts, ...commitPullKeys });
export type CommitPullRequest = v.InferOutput<typeof commitPullSchema>;
