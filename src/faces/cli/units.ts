const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** A size for people: IEC units, one decimal above bytes, for example `1.5 MiB`. */
export function formatSize(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${UNITS[unit]}`;
}

/** A digest or object id cut for a table: 12 hex characters after the algorithm, or whole with `noTrunc`. */
export function formatDigest(digest: string, noTrunc = false): string {
  return noTrunc ? digest : digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}
