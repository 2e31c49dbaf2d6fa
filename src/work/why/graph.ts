/** What a step of a chain is. */
export const STEP_KINDS = [
  'deployment',
  'mount',
  'lease',
  'tag',
  'ref',
  'name',
  'container',
  'index',
  'manifest',
  'config',
  'layer',
  'blob',
  'stream',
  'erofs',
  'commit',
  'image',
  'file',
  'object',
  'record',
] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** One thing of a chain. */
export interface Step {
  readonly kind: StepKind;
  /** Name, digest, id or path, as its store calls it. */
  readonly name: string;
}

/** Things of which each refers to the next; the last one is what was asked about. */
export interface Chain {
  /** True if the first thing is a root of its store. */
  readonly isKept: boolean;
  readonly steps: readonly Step[];
}

interface Node {
  step: Step;
  isRoot: boolean;
  readonly parents: Set<string>;
}

/** Largest number of chains that are listed for one thing. */
const CHAINS_MAX = 64;
/** Longest chain. Stores need about ten steps. */
const STEPS_MAX = 64;

/** What refers to what in a store, as far as it may lead to what was asked about. Keys are those of the store. */
export class KeepGraph {
  readonly #nodes = new Map<string, Node>();

  /** Adds a thing, or replaces its description. */
  describe(key: string, step: Step): void {
    this.#nodeOf(key, step).step = step;
  }

  /** Adds a root: what the store keeps for its own sake. */
  addRoot(key: string, step: Step): void {
    this.#nodeOf(key, step).isRoot = true;
  }

  /** Adds a reference. Both things exist already, or are described later. */
  link(from: string, to: string): void {
    const unknown: Step = { kind: 'object', name: to };
    this.#nodeOf(from, { kind: 'object', name: from });
    this.#nodeOf(to, unknown).parents.add(from);
  }

  stepOf(key: string): Step | undefined {
    return this.#nodes.get(key)?.step;
  }

  /**
   * The chains that lead to a thing: those from roots; if there is none, those from things that no root reaches.
   * @returns the chains, and whether there are more than these
   */
  chainsOf(key: string): { readonly chains: readonly Chain[]; readonly isCut: boolean } {
    const kept = this.#keptAbove(key);
    const isKept = kept.has(key);
    const chains: Chain[] = [];
    let isCut = false;
    const path: Step[] = [];
    const follow = (at: string): void => {
      const node = this.#nodes.get(at);
      if (node === undefined || isCut) return;
      path.push(node.step);
      const above = [...node.parents].filter((parent) => !isKept || kept.has(parent));
      if (above.length > 0 && path.length < STEPS_MAX) for (const parent of above) follow(parent);
      else if (chains.length === CHAINS_MAX) isCut = true;
      else if (path.length > 1 || node.isRoot) chains.push({ isKept, steps: path.toReversed() });
      path.pop();
    };
    follow(key);
    return { chains, isCut };
  }

  /** Things above this one, and itself, that a root reaches. */
  #keptAbove(key: string): ReadonlySet<string> {
    const above = new Set([key]);
    for (const at of above)
      for (const parent of this.#nodes.get(at)?.parents ?? []) above.add(parent);
    const kept = new Set([...above].filter((at) => this.#nodes.get(at)?.isRoot === true));
    // Each round takes one more step down; there are about as many as a chain has steps.
    for (let size = -1; size !== kept.size; ) {
      size = kept.size;
      for (const at of above) {
        const parents = this.#nodes.get(at)?.parents ?? [];
        if ([...parents].some((parent) => kept.has(parent))) kept.add(at);
      }
    }
    return kept;
  }

  #nodeOf(key: string, step: Step): Node {
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const node: Node = { step, isRoot: false, parents: new Set() };
    this.#nodes.set(key, node);
    return node;
  }
}
