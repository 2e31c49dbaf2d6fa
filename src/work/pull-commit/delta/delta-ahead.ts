import type { OstreeChecksum } from '#base/digest';
import { type DeltaName, formatDeltaName, type Summary } from '#formats/ostree';
import { type DeltaSource, isIndexed } from './delta.ts';

/** What is known of a commit before it is here. */
export interface AheadOptions {
  readonly summary: Summary | undefined;
  /** What the ref names now, if it is stored. */
  readonly current: OstreeChecksum | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A source of which a question is on its way; disposing waits for the answer, so that a pull that failed leaves nothing behind. */
export type AskedSource = DeltaSource & AsyncDisposable;

/**
 * A source that is asked at once what `tryDelta` will ask first, so that looking for a delta costs no round trip of its own: it goes on
 * while the commit object comes. Nothing else is asked than without.
 */
export function askAhead(
  source: DeltaSource,
  to: OstreeChecksum,
  { summary, current, signal }: AheadOptions,
): AskedSource {
  const guess: DeltaName = { from: current, to };
  const superblock =
    summary === undefined ? source.superblock(guess, undefined, { signal }) : undefined;
  const index =
    summary !== undefined && isIndexed(summary, to) ? source.deltaIndex(to, { signal }) : undefined;
  // The reader of the answer gets the error; there may be no reader.
  const settled = Promise.allSettled([superblock, index]);
  return {
    superblock(name, checksum, options) {
      const isGuess = checksum === undefined && formatDeltaName(name) === formatDeltaName(guess);
      return isGuess && superblock !== undefined
        ? superblock
        : source.superblock(name, checksum, options);
    },
    deltaIndex: (commit, options) => index ?? source.deltaIndex(commit, options),
    deltaPart: (...parameters) => source.deltaPart(...parameters),
    async [Symbol.asyncDispose]() {
      await settled;
    },
  };
}
