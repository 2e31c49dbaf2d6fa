import { CHALLENGE_MAX_BYTES, CHALLENGE_PARAMETERS_MAX, CHALLENGES_MAX } from './layout.ts';

/** One challenge of WWW-Authenticate. Scheme and names are in lower case, values are unchanged, and the first of equal names counts. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** token of RFC 9110 5.6.2. */
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
/** quoted-string of RFC 9110 5.6.4, with all of Latin-1 as obs-text. */
const QUOTED = /"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)"/y;
/** token68 of RFC 9110 11.2, with its required successor. */
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const BLANKS = /[ \t]*/y;

/**
 * Reads the challenges of WWW-Authenticate: several header lines joined by commas, several challenges in a line, blanks around `=`, quoted
 * pairs. A syntax error ends the parsing; the challenges before it count. Headers beyond the limits of length, challenges or parameters are
 * not read. Source: RFC 9110 11.3, 11.6.1.
 */
export function parseChallenges(header: string): Challenge[] {
  if (header.length > CHALLENGE_MAX_BYTES) return [];
  const cursor = new Cursor(header);
  const challenges: Challenge[] = [];
  while (challenges.length < CHALLENGES_MAX) {
    cursor.skipSeparators();
    const scheme = cursor.take(TOKEN);
    if (scheme === undefined) break;
    const parameters = readParameters(cursor);
    if (parameters === undefined) break;
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
  }
  return challenges;
}

/** @returns undefined for a syntax error, or if there are too many */
function readParameters(cursor: Cursor): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  const blanks = cursor.take(BLANKS) ?? '';
  if (cursor.atSeparator) return parameters;
  if (blanks === '') return undefined;
  // One parameter alone looks like token68 up to the `=`: padding ends it, anything else is a value.
  if (cursor.take(TOKEN68) !== undefined) return parameters;
  for (let count = 0; ; count++) {
    const name = cursor.takeName();
    if (name === undefined) return count === 0 ? undefined : parameters;
    if (count === CHALLENGE_PARAMETERS_MAX) return undefined;
    const value = cursor.takeQuoted() ?? cursor.take(TOKEN);
    if (value === undefined) return undefined;
    const key = name.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, value);
    cursor.take(BLANKS);
    if (!cursor.atSeparator) return undefined;
    cursor.skipSeparators();
  }
}

class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atSeparator(): boolean {
    return this.#at === this.#text.length || this.#text[this.#at] === ',';
  }

  /** Empty elements of a list are ignored. */
  skipSeparators(): void {
    while (this.#at < this.#text.length && /[ \t,]/.test(this.#text[this.#at] as string))
      this.#at++;
  }

  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match[0];
  }

  /** The name of a parameter and its `=`; consumes nothing at the start of a challenge. */
  takeName(): string | undefined {
    const before = this.#at;
    const name = this.take(TOKEN);
    this.take(BLANKS);
    if (name !== undefined && this.#text[this.#at] === '=') {
      this.#at++;
      this.take(BLANKS);
      return name;
    }
    this.#at = before;
    return undefined;
  }

  takeQuoted(): string | undefined {
    const quoted = this.take(QUOTED);
    return quoted?.slice(1, -1).replace(/\\(.)/gs, '$1');
  }
}
