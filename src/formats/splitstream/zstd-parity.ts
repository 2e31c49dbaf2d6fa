/**
 * The libzstd version whose output determines splitstream ids: other versions compress to other bytes, hence other ids.
 * Source: composefs-rs 0.9 bundles 1.5.7; core formats section 3.4.
 */
export const ZSTD_EXACT_VERSION = '1.5.7';

/** Whether this Node compresses splitstreams to the same bytes as composefs-rs. */
export interface ZstdParity {
  readonly version: string;
  /** False: everything works, but ids of new streams will differ from those of composefs-rs. */
  readonly exact: boolean;
}

/** Reports the libzstd in use. CLI and web print a warning when it is not exact. */
export function zstdParity(version = process.versions['zstd'] ?? 'none'): ZstdParity {
  return { version, exact: version === ZSTD_EXACT_VERSION };
}
