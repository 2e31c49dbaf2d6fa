/** Says whether the rest of a path, after the literal beginning of a pattern, is matched by what follows that beginning. */
export type TailKind = (rest: string) => boolean;

/**
 * What usually follows the literal beginning of a pattern: 5,000 of the 5,900 patterns of Debian's policy end in one of these. `.` stands for
 * any character, also a newline.
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

/** Undefined for what only an automaton can tell. */
export function tailKindOf(tail: string): TailKind | undefined {
  return KINDS.get(tail);
}

/** A character that stands for itself: plain, or escaped and neither a letter nor a digit. */
const LITERAL = /(?:[^.^$?*+|[\](){}\\]|\\[^A-Za-z0-9])/y;

/**
 * Splits a pattern into the literal text that all its paths begin with, and the pattern of the rest. A pattern with alternatives at its top
 * has no such text.
 */
export function splitPattern(pattern: string): {
  readonly beginning: string;
  readonly tail: string;
} {
  if (hasAlternatives(pattern)) return { beginning: '', tail: pattern };
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

/** Whether there is a `|` outside all groups and classes; where brackets do not match, an automaton finds the error. */
function hasAlternatives(pattern: string): boolean {
  let depth = 0;
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    if (character === '\\') at += 1;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (character === '[') at = endOfClass(pattern, at);
    else if (character === '|' && depth <= 0) return true;
  }
  return false;
}

/** Position of the `]` that ends a class; a `]` directly after its beginning belongs to it. */
function endOfClass(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern.charAt(at) === '^') at += 1;
  if (pattern.charAt(at) === ']') at += 1;
  for (; at < pattern.length && pattern.charAt(at) !== ']'; at += 1) {
    if (pattern.charAt(at) === '\\') at += 1;
  }
  return at;
}
