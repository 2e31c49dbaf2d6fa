/** Rows of the table from measured series: ours first, then the peers. */

import type { Row } from './bench.ts';
import { median, ratio, type Series } from './measure.ts';

/** Median wall time as text. */
export function seconds(series: Series): string {
  return `${median(series.costs.map((cost) => cost.wallSec)).toFixed(2)} s`;
}

/** Highest resident set of all runs, in megabytes. */
export function peak(series: Series): number {
  return Math.max(...series.costs.map((cost) => cost.peakBytes)) / 1e6;
}

/** One row for each peer, with the goal at its place. */
export function rowsOf(what: string, series: readonly Series[], goals: readonly number[]): Row[] {
  const [ours, ...peers] = series;
  if (ours === undefined) return [];
  return peers.map((theirs, at) => ({
    what,
    peer: theirs.name,
    ratio: ratio(ours, theirs),
    goal: goals[at + 1] ?? 1,
    detail: `${seconds(ours)} against ${seconds(theirs)}; peak RSS ${peak(ours).toFixed(0)} MB against ${peak(theirs).toFixed(0)} MB`,
  }));
}
