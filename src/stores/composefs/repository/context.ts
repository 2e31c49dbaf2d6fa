import type { VerityAlgorithm } from '#formats/fsverity';
import type { Dir } from '#host';
import type { SuspectStore } from '../marks/suspects.ts';

/**
 * What new objects get: `require` fs-verity (a secure repository), `try` it (made insecure by its opener), or leave it `off` (a
 * repository that was created without).
 */
export type VerityPolicy = 'require' | 'try' | 'off';

/** What the parts of an open repository share. */
export interface StoreContext {
  readonly root: Dir;
  readonly algorithm: VerityAlgorithm;
  /** True when content without fs-verity protection is accepted. */
  readonly insecure: boolean;
  readonly verity: VerityPolicy;
  readonly suspects: SuspectStore;
  /** Every mutating operation calls it first. @throws UnsupportedError REPO_READ_ONLY */
  ensureWritable(): void;
}
