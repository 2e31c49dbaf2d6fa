import type { VerityAlgorithm } from '#formats/fsverity';
import type { Dir } from '#host';
import type { SuspectStore } from '../marks/suspects.ts';

/**
 * Policy for new objects: `require` fs-verity (a secure repository), `try` it (a secure repository that was opened as insecure), or leave
 * it `off` (a repository that was created without fs-verity).
 */
export type VerityPolicy = 'require' | 'try' | 'off';

/** State that the parts of an open repository share. */
export interface StoreContext {
  readonly root: Dir;
  readonly algorithm: VerityAlgorithm;
  /** True if content without fs-verity is accepted. */
  readonly insecure: boolean;
  readonly verity: VerityPolicy;
  readonly suspects: SuspectStore;
  /** Every mutating operation calls it first. @throws UnsupportedError REPO_READ_ONLY */
  ensureWritable(): void;
}
