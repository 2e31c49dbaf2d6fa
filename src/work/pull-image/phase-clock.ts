import type { PullReport } from './report.ts';

/** Wall time by phase. */
export class PhaseClock {
  readonly #start = performance.now();
  readonly #ms = { resolve: 0, layers: 0, image: 0, publish: 0 };
  #last = this.#start;

  /** Ends a phase: the time since the end of the one before is its time. */
  end(phase: 'resolve' | 'layers' | 'image' | 'publish'): void {
    const now = performance.now();
    this.#ms[phase] = now - this.#last;
    this.#last = now;
  }

  phases(): PullReport['ms'] {
    return { ...this.#ms, total: this.#last - this.#start };
  }
}
