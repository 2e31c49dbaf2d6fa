import type { PullReport } from '#work/pull-image';

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** A size in binary units with two decimals: `1.50 MiB`; below 1 KiB in bytes: `512 B`. Source: oci-and-cli section 1.4. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(2)} ${UNITS[unit]}`;
}

/** What a pull stored, as one line. */
export function statsOf({ objects, bytes }: Pick<PullReport, 'objects' | 'bytes'>): string {
  const counts = `${objects.stored} new + ${objects.reused} already present objects`;
  return `${counts}; ${formatBytes(bytes.stored)} stored, ${formatBytes(bytes.inlined)} inlined`;
}
