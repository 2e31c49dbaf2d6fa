import type { RE2Set } from 're2js';
import { FormatError } from '#base/errors';
import { PATTERNS_MAX_WEIGHT } from './layout.ts';
import { fail, type InodeType, type Rule } from './rules.ts';

/** What finding a match may take, in milliseconds: so much, more for each of the first paths, and less for each after them. */
const BUDGET = { baseMs: 600, firstPaths: 2000, eachFirstMs: 0.5, eachMs: 0.05 } as const;

/**
 * All patterns of a policy in one automaton, which reads each byte of a path once, however the patterns are written. An image brings its
 * own policy, so what that may cost is bounded: the weight of the patterns, and the time that paths take. Patterns are those of RE2:
 * PCRE without back-references, look-around and possessive repeats, none of which a policy is known to use.
 */
export class PatternSet {
  readonly #rules: readonly Rule[];
  readonly #set: RE2Set;
  #paths = 0;
  #spentMs = 0;
  /** Where much time has passed, what counts from then on is the processor's: a busy host makes no policy costly. */
  #clock: () => number = () => performance.now();
  #isClose = false;

  private constructor(rules: readonly Rule[], set: RE2Set) {
    this.#rules = rules;
    this.#set = set;
  }

  /** @throws FormatError SELINUX_POLICY_INVALID for a pattern that is none; SELINUX_POLICY_TOO_COSTLY */
  static async compile(rules: readonly Rule[]): Promise<PatternSet> {
    let weight = 0;
    for (const { pattern } of rules) weight += weightOf(pattern);
    if (weight > PATTERNS_MAX_WEIGHT) failCost(`a weight of ${PATTERNS_MAX_WEIGHT}`, `${weight}`);
    // Some 300 KB that only labels need.
    const { RE2JS, RE2Set } = await import('re2js');
    const set = new RE2Set(RE2Set.ANCHOR_BOTH, RE2JS.DOTALL);
    for (const { pattern, origin } of rules) {
      try {
        set.add(pattern);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        fail(origin, 'a pattern', `"${pattern.slice(0, 100)}" (${reason.slice(0, 200)})`);
      }
    }
    set.compile();
    return new PatternSet(rules, set);
  }

  /** The last rule that matches a whole path of an inode of this type. @throws FormatError SELINUX_POLICY_TOO_COSTLY */
  lastMatch(path: string, type: InodeType): Rule | undefined {
    const clock = this.#clock;
    const start = clock();
    const indices = this.#set.match(path);
    this.#pay(clock() - start);
    let last = -1;
    for (const index of indices) {
      const wanted = this.#rules[index]?.type;
      if (index > last && (wanted === undefined || wanted === type)) last = index;
    }
    return this.#rules[last];
  }

  #pay(spentMs: number): void {
    this.#paths += 1;
    this.#spentMs += spentMs;
    const first = Math.min(this.#paths, BUDGET.firstPaths);
    const allowedMs =
      BUDGET.baseMs + first * BUDGET.eachFirstMs + (this.#paths - first) * BUDGET.eachMs;
    if (!this.#isClose && this.#spentMs > allowedMs / 2) {
      this.#isClose = true;
      this.#spentMs = 0;
      this.#clock = threadTimeMs;
    }
    if (this.#spentMs <= allowedMs) return;
    const [allowed, spent] = [allowedMs, this.#spentMs].map((ms) => `${Math.ceil(ms)} ms`);
    failCost(`at most ${allowed} for ${this.#paths} paths`, spent ?? '');
  }
}

/** Time that the processor spent on this thread. */
function threadTimeMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Counted repeats are written out when a pattern is compiled. */
function weightOf(pattern: string): number {
  let weight = pattern.length;
  for (const [, low = '', high = ''] of pattern.matchAll(/\{(\d{1,9}),?(\d{0,9})\}/g)) {
    weight *= Math.max(1, Number(low), Number(high));
  }
  return weight;
}

function failCost(expected: string, found: string): never {
  throw new FormatError(
    'SELINUX_POLICY_TOO_COSTLY',
    `Cannot use the SELinux policy: expected ${expected}, found ${found}`,
    { offset: 0, what: 'file_contexts', expected, found },
    { hint: 'Policies of real systems are far below this limit: the image may be hostile' },
  );
}
