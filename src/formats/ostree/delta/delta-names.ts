import { type OstreeChecksum, parseOstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';
import { checksumBytes } from '../objects/objects.ts';

/** The commits that a static delta connects. */
export interface DeltaName {
  /** Undefined: a delta from nothing ("scratch"). */
  readonly from: OstreeChecksum | undefined;
  readonly to: OstreeChecksum;
}

/**
 * Parses `TO` or `FROM-TO` in hex, the names in summaries and delta indexes.
 * @throws FormatError OSTREE_DELTA_NAME_INVALID
 */
export function parseDeltaName(text: string): DeltaName {
  const match = /^(?:([0-9a-f]{64})-)?([0-9a-f]{64})$/.exec(text);
  if (match?.[2] === undefined) {
    throw new FormatError(
      'OSTREE_DELTA_NAME_INVALID',
      `Cannot read delta name "${text.slice(0, 200)}": expected one or two checksums`,
      { offset: 0, what: 'delta name', found: text.slice(0, 200) },
    );
  }
  return {
    from: match[1] === undefined ? undefined : parseOstreeChecksum(match[1]),
    to: parseOstreeChecksum(match[2]),
  };
}

/** `TO` or `FROM-TO` in hex. */
export function formatDeltaName({ from, to }: DeltaName): string {
  return from === undefined ? to : `${from}-${to}`;
}

/**
 * Folder of a delta below the repository, ending in a slash: `deltas/XX/…/` in base64, with `_` for `/` and
 * without the `=` at the end. `+` is kept; in a URL it must not become a space. Source: OSTree spec 2.15.
 */
export function deltaFolder({ from, to }: DeltaName): string {
  const target = base64Of(to);
  if (from === undefined) return `deltas/${target.slice(0, 2)}/${target.slice(2)}/`;
  const source = base64Of(from);
  return `deltas/${source.slice(0, 2)}/${source.slice(2)}-${target}/`;
}

/** Path of the superblock of a delta. */
export function superblockPath(name: DeltaName): string {
  return `${deltaFolder(name)}superblock`;
}

/** Path of a part of a delta; also the metadata key of the part when it is inline. */
export function deltaPartPath(name: DeltaName, index: number): string {
  return `${deltaFolder(name)}${index}`;
}

/** Path of the index of all deltas to a commit. */
export function deltaIndexPath(to: OstreeChecksum): string {
  const target = base64Of(to);
  return `delta-indexes/${target.slice(0, 2)}/${target.slice(2)}.index`;
}

function base64Of(checksum: OstreeChecksum): string {
  return Buffer.from(checksumBytes(checksum)).toString('base64').replaceAll('/', '_').slice(0, 43);
}
