/** Tests whether the rest of a path, after the literal prefix of a pattern, matches the rest of the pattern. */
export type TailKind = (rest: string) => boolean;

/**
 * Usual rests of patterns after the literal prefix: 5,000 of the 5,900 patterns of Debian's policy end in one of these. `.` matches any
 * character, including a newline.
 */
const KINDS = new Map<string, TailKind>([
  ['', (rest) => rest === ''],
  ['(/.*)?', (rest) => rest === '' || rest.startsWith('/')],
  ['(/.*)', (rest) => rest.startsWith('/')],
  ['/.*', (rest) => rest.startsWith('/')],
  ['.*', () => true],
  ['.+', (rest) => rest !== ''],
  ['[^/]*', (rest) => !rest.includes('/')],
  ['[^/]+', (rest) => rest !== '' && !rest.includes('/')],
]);

/** Undefined for a rest that needs an automaton. */
export function tailKindOf(tail: string): TailKind | undefined {
  return KINDS.get(tail);
}

/** A literal character: plain, or escaped and neither a letter nor a digit. */
const LITERAL = /(?:[^.^$?*+|[\](){}\\]|\\[^A-Za-z0-9])/y;

/**
 * Splits a pattern into the literal prefix of all its paths, and the pattern of the rest. A pattern with top-level alternatives has no such
 * prefix.
 */
export function splitPattern(pattern: string): {
  readonly beginning: string;
  readonly tail: string;
} {
  if (alternativesOf(pattern).length > 1) return { beginning: '', tail: pattern };
  let beginning = '';
  let at = 0;
  for (;;) {
    LITERAL.lastIndex = at;
    const found = LITERAL.exec(pattern)?.[0];
    if (found === undefined) break;
    const next = pattern.charAt(at + found.length);
    if (next === '?' || next === '*' || next === '+' || next === '{') break;
    beginning += found.at(-1);
    at += found.length;
  }
  return { beginning, tail: pattern.slice(at) };
}

/** The alternatives of a pattern: its parts between each `|` outside all groups and classes; the automaton reports unbalanced brackets. */
export function alternativesOf(pattern: string): readonly string[] {
  const parts: string[] = [];
  let begin = 0;
  let depth = 0;
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    if (character === '\\') at += 1;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (character === '[') at = endOfClass(pattern, at);
    else if (character === '|' && depth <= 0) {
      parts.push(pattern.slice(begin, at));
      begin = at + 1;
    }
  }
  return [...parts, pattern.slice(begin)];
}

/** Position of the `]` that ends a class; a `]` directly after its start belongs to it. */
function endOfClass(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern.charAt(at) === '^') at += 1;
  if (pattern.charAt(at) === ']') at += 1;
  for (; at < pattern.length && pattern.charAt(at) !== ']'; at += 1) {
    if (pattern.charAt(at) === '\\') at += 1;
  }
  return at;
}
