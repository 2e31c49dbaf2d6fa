import { type ByteString, displayText } from '#base/bytes';
import { FormatError } from '#base/errors';

/** Longest pattern, in bytes. Source: Linux limits.h PATH_MAX. */
const PATTERN_MAX = 4096;

/** A token of a pattern: any run of bytes, one character, one byte of a set, or a literal byte. */
type Token =
  | { readonly kind: 'run' }
  | { readonly kind: 'any' }
  | { readonly kind: 'set'; readonly members: Uint8Array }
  | { readonly kind: 'byte'; readonly byte: number };

/** True when the pattern matches all of a name. */
export type Matcher = (name: ByteString) => boolean;

/**
 * Compiles a shell pattern over the bytes of names: `*`, `?` (one UTF-8 character, or a stray byte), `[a-z]`, `[!a]`, `\` before a literal
 * character. The time of a match is bounded by the product of both lengths. Source: POSIX.1-2017 XCU 2.13, "Pattern Matching Notation";
 * sets are over bytes.
 * @throws FormatError PATTERN_INVALID if it is too long, ends in `\`, or has a reversed range
 */
export function compilePattern(pattern: ByteString): Matcher {
  if (pattern.length > PATTERN_MAX) throw invalid(pattern, `at most ${PATTERN_MAX} bytes`);
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; ) {
    const character = pattern[at];
    const set = character === '[' ? readSet(pattern, at) : undefined;
    if (set !== undefined) {
      tokens.push({ kind: 'set', members: set.members });
      at = set.end + 1;
      continue;
    }
    if (character === '\\') at += 1;
    if (at >= pattern.length) throw invalid(pattern, 'a character after the last "\\"');
    if (character === '*') tokens.push({ kind: 'run' });
    else if (character === '?') tokens.push({ kind: 'any' });
    else tokens.push({ kind: 'byte', byte: pattern.charCodeAt(at) });
    at += 1;
  }
  return (name) => matches(tokens, name);
}

/** Backtracks to the last run only: extending an earlier run cannot help if the last one failed. */
function matches(tokens: readonly Token[], name: ByteString): boolean {
  let at = 0;
  let token = 0;
  let lastRun = -1;
  let runEnd = 0;
  for (;;) {
    const next = tokens[token];
    if (next === undefined && at === name.length) return true;
    if (next?.kind === 'run') {
      lastRun = token;
      runEnd = at;
      token += 1;
      continue;
    }
    const length = next === undefined ? 0 : lengthOfMatch(next, name, at);
    if (length > 0) {
      at += length;
      token += 1;
      continue;
    }
    if (lastRun < 0 || runEnd >= name.length) return false;
    runEnd += 1;
    at = runEnd;
    token = lastRun + 1;
  }
}

/** Number of bytes that a token matches at this position; 0 for no match. */
function lengthOfMatch(token: Token, name: ByteString, at: number): number {
  if (at >= name.length) return 0;
  const byte = name.charCodeAt(at);
  if (token.kind === 'byte') return token.byte === byte ? 1 : 0;
  if (token.kind === 'set') return token.members[byte] === 1 ? 1 : 0;
  let end = at + 1;
  while (byte >= 0xc0 && (name.charCodeAt(end) & 0xc0) === 0x80) end += 1;
  return end - at;
}

/** `[abc]`, `[a-z]`, `[!a]`; an unclosed bracket is literal. A closing bracket at the first position is a member. */
function readSet(
  pattern: ByteString,
  start: number,
): { readonly members: Uint8Array; readonly end: number } | undefined {
  const isNegated = pattern[start + 1] === '!' || pattern[start + 1] === '^';
  const first = start + (isNegated ? 2 : 1);
  const end = pattern.indexOf(']', first + 1);
  if (end < 0) return undefined;
  const members = new Uint8Array(256);
  for (let at = first; at < end; at += 1) {
    const low = pattern.charCodeAt(at);
    const isRange = pattern[at + 1] === '-' && at + 2 < end;
    const high = isRange ? pattern.charCodeAt(at + 2) : low;
    if (high < low) throw invalid(pattern, 'ranges from the smaller to the larger byte');
    members.fill(1, low, high + 1);
    if (isRange) at += 2;
  }
  return { members: isNegated ? members.map((member) => 1 - member) : members, end };
}

function invalid(pattern: ByteString, expected: string): FormatError {
  const shown = displayText(pattern).slice(0, 200);
  return new FormatError('PATTERN_INVALID', `Cannot use pattern "${shown}": expected ${expected}`, {
    offset: 0,
    what: 'pattern',
    found: shown,
  });
}
