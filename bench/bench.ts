/** What a bench is: a module of this folder that measures us beside peers and returns rows of ratios. */

/** One figure of a bench: ours against a peer, with the goal it must meet. */
export interface Row {
  readonly what: string;
  readonly peer: string;
  /** Our wall time divided by the peer's (or another ratio that `what` names). */
  readonly ratio: number;
  readonly goal: number;
  /** True when a larger ratio is better. */
  readonly higherIsBetter?: boolean;
  readonly detail: string;
}

/** What a bench may use. `quick` makes small inputs: for a look, not for a figure. */
export interface BenchOptions {
  readonly rounds: number;
  readonly quick: boolean;
  say(text: string): void;
}

/** A bench: a module in this folder. */
export interface Bench {
  readonly name: string;
  run(options: BenchOptions): Promise<readonly Row[]>;
}
