import type { Traffic } from '#base/flow';
import type { LayerRoute } from './forecast/route.ts';
import type { LayerCost, ReusedBytes } from './report.ts';

/** By which route, and why. */
interface Way {
  readonly route: LayerRoute;
  readonly reason: string;
}

/** The route of a blob that is stored although its layer already is. */
export const BLOB_ONLY: Way = { route: 'whole', reason: 'its blob is to be kept' };

/** A counter of the costs of one layer. */
export class CostCount {
  way: Way;
  fetchedBytes = 0;
  readonly reused: ReusedBytes = { objects: 0, chunks: 0, partial: 0, file: 0 };
  #wastedBytes = 0;
  #requests = 0;

  constructor({ route, reason }: Way) {
    this.way = { route, reason };
  }

  /** Adds the costs of reading a blob. */
  addTraffic({ requests, bodyBytes, skippedBytes }: Traffic): void {
    this.fetchedBytes += bodyBytes + skippedBytes;
    this.#wastedBytes += skippedBytes;
    this.#requests += requests;
  }

  get value(): LayerCost {
    const { way, fetchedBytes, reused } = this;
    const wastedBytes = this.#wastedBytes;
    return {
      ...way,
      fetchedBytes,
      wastedBytes,
      reusedBytes: { ...reused },
      requests: this.#requests,
    };
  }
}

/**
 * The cost of a layer that was brought in two attempts, of which the first failed as a whole: either it was complete in the first, or what came
 * then was of no use.
 */
export function joinCosts(first: LayerCost | undefined, second: LayerCost): LayerCost {
  if (first === undefined || first.route === 'present' || first.route === 'linked') return second;
  if (second.route === 'present') return first;
  return {
    ...second,
    fetchedBytes: second.fetchedBytes + first.fetchedBytes,
    wastedBytes: second.wastedBytes + first.fetchedBytes,
    requests: second.requests + first.requests,
  };
}
