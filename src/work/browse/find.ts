import type { ByteString } from '#base/bytes';
import { compilePattern } from './pattern.ts';
import type { FileKind, ImageView, WalkedViewEntry } from './view.ts';

/** Conditions of a search; all given conditions must hold. */
export interface FindQuery {
  /** Pattern for the last name: `*`, `?`, `[a-z]`, `[!a]` and `\` as in a shell. */
  readonly name?: ByteString | undefined;
  /** Pattern for the whole path; `*` also matches slashes, as with find(1). */
  readonly path?: ByteString | undefined;
  readonly kinds?: readonly FileKind[] | undefined;
  /** Files of at least this size, in bytes; only regular files have one. */
  readonly minSizeBytes?: number | undefined;
  readonly maxSizeBytes?: number | undefined;
  /** Levels below the start; 0 for the start only. */
  readonly maxDepth?: number | undefined;
}

/**
 * Finds files below a path, in the order of `walk`.
 * @throws FormatError PATTERN_INVALID; as `ImageView.walk`
 */
export function* findFiles(
  view: ImageView,
  from: ByteString,
  query: FindQuery = {},
): Generator<WalkedViewEntry> {
  const name = query.name === undefined ? undefined : compilePattern(query.name);
  const path = query.path === undefined ? undefined : compilePattern(query.path);
  for (const entry of view.walk(from, { maxDepth: query.maxDepth })) {
    if (name !== undefined && !name(entry.name)) continue;
    if (path !== undefined && !path(entry.path)) continue;
    if (query.kinds !== undefined && !query.kinds.includes(entry.kind)) continue;
    if (hasSize(entry, query)) yield entry;
  }
}

function hasSize(entry: WalkedViewEntry, query: FindQuery): boolean {
  const { minSizeBytes, maxSizeBytes } = query;
  if (minSizeBytes === undefined && maxSizeBytes === undefined) return true;
  if (entry.kind !== 'file') return false;
  return (
    entry.sizeBytes >= (minSizeBytes ?? 0) &&
    entry.sizeBytes <= (maxSizeBytes ?? Number.MAX_SAFE_INTEGER)
  );
}
