import * as v from 'valibot';
import {
  type Deployment,
  ENABLE_MODES,
  type EnableMode,
  type StorageState,
  type SystemImage,
} from '#work/unify';
import { list, orNull, text } from '../schemas.ts';

/** What a store has of an image. */
export const presence = v.picklist(['present', 'partial', 'missing']);
/** Binding of a host, see `unified status`. */
export const binding = v.picklist(['disabled', 'bound-only', 'unified']);
/** A mode, as in the state file of bootc. */
export const mode = v.picklist(['disabled', 'enabled', 'enabled-with-copy']);

/** The mode of a system: the one that `unified enable` sets. */
export const systemMode = v.picklist(ENABLE_MODES);

/** A deployment. */
export const deployment = v.object({
  stateroot: text,
  /** Null on a host that boots composefs images directly. */
  commit: v.nullable(text),
  /** Digest of the EROFS image, on a host that boots composefs images directly. */
  imageId: v.nullable(text),
  serial: v.number(),
  imageReference: v.nullable(text),
  role: v.picklist(['booted', 'next', 'staged', 'rollback']),
});

/** The state, with the names of bootc's status; null if none of it is set. */
export const storageStatus = v.nullable(
  v.object({ unified: mode, ostreeComposefsBound: v.boolean() }),
);

/** A deployment in a report. */
export function deploymentOf(deployment: Deployment) {
  const { stateroot, commit, imageId, serial, imageReference, role } = deployment;
  const ids = { commit: orNull(commit), imageId: orNull(imageId) };
  return { stateroot, ...ids, serial, imageReference: orNull(imageReference), role };
}

/** The state in a report. */
export function storageStatusOf({ mode: stored, isFlagged, binding: bound }: StorageState) {
  if (stored === undefined && !isFlagged) return null;
  return { unified: stored ?? ('disabled' as const), ostreeComposefsBound: bound !== 'disabled' };
}

/** The mode of a system in a report. */
export function systemModeOf({ mode: stored, binding: bound }: StorageState): EnableMode {
  return bound === 'unified' ? (stored ?? 'enabled') : bound;
}

/** Kinds of images of a system, as bootc names them. */
export const imageType = v.picklist(['unified', 'bound', 'partial', 'host']);

/**
 * Classifies an image of the system: in all of its stores (`unified`), in the two stores without containers-storage (`bound`), deployed from a
 * commit of its own (`host`), or missing in some store (`partial`).
 */
export function typeOf(
  image: SystemImage,
  { binding: bound }: StorageState,
  isNative: boolean,
): v.InferOutput<typeof imageType> {
  const hasCommit = isNative || image.ostree === 'present';
  const isStored = image.composefs === 'present' && image.isTagged && hasCommit;
  if (isStored && image.storage === 'present') return 'unified';
  if (isStored && bound !== 'unified') return 'bound';
  if (image.composefs === 'missing' && image.storage === 'missing') return 'host';
  return 'partial';
}

/** A commit of an image. */
export const imageCommit = v.object({
  commit: text,
  refs: list(text),
  isSynthesized: v.boolean(),
});
