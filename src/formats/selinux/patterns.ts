import type { RE2Set } from 're2js';
import { FormatError } from '#base/errors';
import { PATTERNS_MAX_WEIGHT } from './layout.ts';
import { fail, type InodeType, type Rule } from './rules.ts';
import { splitPattern, type TailKind, tailKindOf } from './tails.ts';

/** Time budget of matching, in milliseconds: a base, and more for each path. Debian's policy uses a tenth of it. */
const BUDGET = { baseMs: 500, eachMs: 0.1 } as const;
/** Weight of compiling a pattern in addition to its bytes, and of a named class in addition to its own, both in bytes. */
const [PATTERN_WEIGHT, CLASS_WEIGHT] = [16, 400] as const;
/** Paths between two reads of the processor clock, once much time has passed. */
const PATHS_PER_LOOK = 256;

/** Rules whose patterns start with the same literal text, by the rest of the pattern; indices ascend. */
interface Bucket {
  readonly simple: { readonly kind: TailKind; readonly index: number }[];
  readonly tails: { readonly tail: string; readonly index: number }[];
  set: RE2Set | undefined;
}

/**
 * All patterns of a policy, by their literal prefix. The rest of a pattern is compared directly if it has one of the usual forms. The other
 * patterns of one prefix form one automaton, which reads each byte of a path once, for any patterns. An image contains its own policy, so the
 * cost is bounded: the weight of the patterns, and the time for paths. Patterns have the syntax of RE2: PCRE without back-references, look-around
 * and possessive repeats, none of which a policy is known to use.
 */
export class PatternSet {
  readonly #rules: readonly Rule[];
  readonly #buckets: ReadonlyMap<string, Bucket>;
  /** The existing lengths of prefixes, in ascending order. */
  readonly #lengths: readonly number[];
  readonly #budget = new Budget();

  private constructor(rules: readonly Rule[], buckets: ReadonlyMap<string, Bucket>) {
    this.#rules = rules;
    this.#buckets = buckets;
    this.#lengths = [...new Set([...buckets.keys()].map((text) => text.length))].sort(
      (a, b) => a - b,
    );
  }

  /** @throws FormatError SELINUX_POLICY_INVALID for an invalid pattern; SELINUX_POLICY_TOO_COSTLY */
  static async compile(rules: readonly Rule[]): Promise<PatternSet> {
    let weight = 0;
    const buckets = new Map<string, Bucket>();
    for (const [index, { pattern }] of rules.entries()) {
      const { beginning, tail } = splitPattern(pattern);
      let bucket = buckets.get(beginning);
      if (bucket === undefined) {
        bucket = { simple: [], tails: [], set: undefined };
        buckets.set(beginning, bucket);
      }
      const kind = tailKindOf(tail);
      if (kind !== undefined) {
        bucket.simple.push({ kind, index });
        continue;
      }
      bucket.tails.push({ tail, index });
      weight += weightOf(tail);
      if (weight > PATTERNS_MAX_WEIGHT) {
        failCost(`patterns of a weight of at most ${PATTERNS_MAX_WEIGHT}`, 'more');
      }
    }
    await compileTails(rules, buckets);
    return new PatternSet(rules, buckets);
  }

  /** Returns the last rule that matches a whole path of an inode of this type. @throws FormatError SELINUX_POLICY_TOO_COSTLY */
  lastMatch(path: string, type: InodeType): Rule | undefined {
    const began = performance.now();
    let last = -1;
    for (const length of this.#lengths) {
      if (length > path.length) break;
      const bucket = this.#buckets.get(path.slice(0, length));
      if (bucket !== undefined) last = this.#lastIn(bucket, path.slice(length), type, last);
    }
    this.#budget.pay(performance.now() - began);
    return this.#rules[last];
  }

  #lastIn({ simple, tails, set }: Bucket, rest: string, type: InodeType, before: number): number {
    let last = before;
    for (let at = simple.length - 1; at >= 0; at -= 1) {
      const { kind, index } = simple[at] as Bucket['simple'][number];
      if (index <= last) break;
      if (this.#isFor(index, type) && kind(rest)) last = index;
    }
    if (set === undefined || (tails.at(-1)?.index ?? -1) <= last) return last;
    for (const match of set.match(rest)) {
      const index = tails[match]?.index ?? -1;
      if (index > last && this.#isFor(index, type)) last = index;
    }
    return last;
  }

  #isFor(index: number, type: InodeType): boolean {
    const wanted = this.#rules[index]?.type;
    return wanted === undefined || wanted === type;
  }
}

async function compileTails(
  rules: readonly Rule[],
  buckets: ReadonlyMap<string, Bucket>,
): Promise<void> {
  // Loaded on demand: some 300 KB that only labels need.
  const { RE2JS, RE2Set } = await import('re2js');
  for (const bucket of buckets.values()) {
    if (bucket.tails.length === 0) continue;
    const set = new RE2Set(RE2Set.ANCHOR_BOTH, RE2JS.DOTALL);
    for (const { tail, index } of bucket.tails) {
      try {
        set.add(tail);
      } catch (cause) {
        const { origin, pattern } = rules[index] as Rule;
        const reason = cause instanceof Error ? cause.message : String(cause);
        fail(origin, 'a pattern', `"${pattern.slice(0, 100)}" (${reason.slice(0, 200)})`);
      }
    }
    set.compile();
    bucket.set = set;
  }
}

/** Time spent on the paths of a policy. Processor time decides in the end, so that a busy host does not make a policy too costly. */
class Budget {
  #paths = 0;
  #spentMs = 0;
  #began: number | undefined;

  /** @throws FormatError SELINUX_POLICY_TOO_COSTLY */
  pay(spentMs: number): void {
    this.#paths += 1;
    this.#spentMs += spentMs;
    const allowedMs = BUDGET.baseMs + this.#paths * BUDGET.eachMs;
    if (this.#spentMs <= allowedMs / 2) return;
    this.#began ??= cpuTimeMs();
    if (this.#spentMs <= allowedMs && this.#paths % PATHS_PER_LOOK !== 0) return;
    const usedMs = cpuTimeMs() - this.#began;
    if (usedMs <= allowedMs / 2) return;
    const [allowed, used] = [allowedMs / 2, usedMs].map((ms) => `${Math.ceil(ms)} ms`);
    failCost(`at most ${allowed} for ${this.#paths} paths`, used ?? '');
  }
}

/** Processor time of this thread; Node 22 reports it for the whole process only. */
function cpuTimeMs(): number {
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
  return (user + system) / 1000;
}

/** Counted repeats are expanded when a pattern is compiled, and a Unicode class has hundreds of ranges. */
function weightOf(pattern: string): number {
  const classes = pattern.match(/\\[pP]|\[:/g)?.length ?? 0;
  let weight = pattern.length + classes * CLASS_WEIGHT;
  for (const [, low = '', high = ''] of pattern.matchAll(/\{(\d{1,9}),?(\d{0,9})\}/g)) {
    weight *= Math.max(1, Number(low), Number(high));
  }
  return weight + PATTERN_WEIGHT;
}

function failCost(expected: string, found: string): never {
  throw new FormatError(
    'SELINUX_POLICY_TOO_COSTLY',
    `Cannot use the SELinux policy: expected ${expected}, found ${found}`,
    { offset: 0, what: 'file_contexts', expected, found },
    { hint: 'Policies of real systems are far below this limit: the image may be hostile' },
  );
}
