import * as v from 'valibot';
import { compat, flag, maybeCount, maybeText, text, texts } from './schemas.ts';

/** Whom to believe. Keys are paths of keyrings; of ed25519 the key itself, in base64, or the path of its file. */
export const trustKeys = { gpgKey: texts, signKey: texts };

/** Which remote, and how to speak with its server. Paths are absolute. */
export const remoteKeys = {
  /** Settings of remotes: a config or a file of `remotes.d`; goes with `remote`, a name in it. */
  remoteConfig: maybeText,
  remote: maybeText,
  verifySummary: flag,
  acceptExpired: flag,
  /** Key of flatpak's summary index. */
  subset: maybeText,
  /** `NAME=VALUE` or `NAME: VALUE`. */
  httpHeader: texts,
  retries: maybeCount,
  stallTimeoutSec: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
};

/** Keys of a pull of commits beside the reference. Paths are absolute. */
export const commitPullKeys = {
  mirror: flag,
  /** Ancestors to pull too; -1: all. */
  depth: v.optional(v.pipe(v.number(), v.integer(), v.minValue(-1))),
  subpath: texts,
  commitMetadataOnly: flag,
  base: texts,
  /** False fetches objects one by one. */
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
  compat,
};

/** Keys that say nothing about a repository on this host. */
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
/** A request that says whom to believe. */
export const trustSchema = v.object(trustKeys);
export type TrustKeys = v.InferOutput<typeof trustSchema>;
/** A pull of commits. */
export const commitPullSchema = v.object({ reference: text, names: texts, ...commitPullKeys });
export type CommitPullRequest = v.InferOutput<typeof commitPullSchema>;
