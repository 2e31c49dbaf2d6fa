/** The algorithm of `init` when none is named. */
export const DEFAULT_ALGORITHM = 'fsverity-sha512-12';

/** The hash in the name of an algorithm that was checked. */
export function algorithmOf(text: string): 'sha256' | 'sha512' {
  return text.includes('sha256') ? 'sha256' : 'sha512';
}

/** What is wrong with the name of an algorithm; undefined when nothing is. Source: composefs-rs 0.9.4, recorded in cli/init. */
export function refuseAlgorithm(text: string): string | undefined {
  if (!text.startsWith('fsverity-')) return "algorithm must start with 'fsverity-'";
  const cut = text.lastIndexOf('-');
  if (cut < 'fsverity-'.length) return "algorithm must be 'fsverity-<hash>-<lg_blocksize>'";
  const hash = text.slice('fsverity-'.length, cut);
  const blockBits = text.slice(cut + 1);
  if (!/^[0-9]{1,3}$/.test(blockBits)) return `invalid lg_blocksize '${blockBits}'`;
  if (hash !== 'sha256' && hash !== 'sha512') {
    return `unsupported hash algorithm '${hash}' (expected sha256 or sha512)`;
  }
  if (Number(blockBits) === 12) return undefined;
  return `unsupported lg_blocksize ${Number(blockBits)} (only 12 is currently supported)`;
}

/** What is wrong with a choice of xattrs; undefined when nothing is. */
export function refuseXattrMode(text: string): string | undefined {
  if (text === 'allowlist-only' || text === 'keep-user-xattrs') return undefined;
  return `invalid xattr filtering mode "${text}" (expected "allowlist-only" or "keep-user-xattrs")`;
}
