import { JSON_DEPTH_MAX } from './layout.ts';

/** A JSON value; objects are maps, so that no key has a special meaning in the engine. */
export type StrictValue =
  | null
  | boolean
  | number
  | string
  | readonly StrictValue[]
  | ReadonlyMap<string, StrictValue>;

/** Reports a fault and never returns. `offset` counts code units of the text. */
export type StrictFail = (offset: number, expected: string, found: string) => never;

/**
 * Parses JSON as in RFC 8259, and stricter: repeated keys, also by escapes, lone surrogates, nesting beyond `JSON_DEPTH_MAX`, and any text after
 * the value are faults. `JSON.parse` silently keeps the last of repeated keys.
 */
export function parseStrictJson(text: string, fail: StrictFail): StrictValue {
  return new Reader(text, fail).document();
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;
const LITERALS: readonly (readonly [string, StrictValue])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class Reader {
  readonly #text: string;
  readonly #fail: StrictFail;
  #at = 0;

  constructor(text: string, fail: StrictFail) {
    this.#text = text;
    this.#fail = fail;
  }

  document(): StrictValue {
    const value = this.#value(0);
    if (this.#at < this.#text.length) this.#fault('the end');
    return value;
  }

  /** One value with the white space around it. */
  #value(depth: number): StrictValue {
    this.#match(SPACE);
    const value = this.#bare(depth);
    this.#match(SPACE);
    return value;
  }

  #bare(depth: number): StrictValue {
    if (depth > JSON_DEPTH_MAX) this.#fault(`at most ${JSON_DEPTH_MAX} levels`);
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#list(depth);
    if (first === '"') return this.#string();
    for (const [word, value] of LITERALS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    const number = this.#match(NUMBER);
    return number === '' ? this.#fault('a value') : Number(number);
  }

  #object(depth: number): ReadonlyMap<string, StrictValue> {
    const members = new Map<string, StrictValue>();
    this.#at += 1;
    this.#match(SPACE);
    if (this.#take('}')) return members;
    do {
      this.#match(SPACE);
      const start = this.#at;
      const key = this.#text[start] === '"' ? this.#string() : this.#fault('a key');
      if (members.has(key)) this.#fail(start, 'each key once', `"${key}" twice`);
      this.#match(SPACE);
      if (!this.#take(':')) this.#fault('a colon');
      members.set(key, this.#value(depth + 1));
    } while (this.#take(','));
    if (!this.#take('}')) this.#fault('a comma or }');
    return members;
  }

  #list(depth: number): readonly StrictValue[] {
    const items: StrictValue[] = [];
    this.#at += 1;
    this.#match(SPACE);
    if (this.#take(']')) return items;
    do items.push(this.#value(depth + 1));
    while (this.#take(','));
    if (!this.#take(']')) this.#fault('a comma or ]');
    return items;
  }

  #string(): string {
    const start = this.#at;
    const end = this.#endOfString(start);
    let text = '';
    try {
      text = JSON.parse(this.#text.slice(start, end)) as string;
    } catch {
      this.#fault('a string'); // An invalid escape.
    }
    if (!text.isWellFormed()) this.#fail(start, 'Unicode', 'half a surrogate pair');
    this.#at = end;
    return text;
  }

  #endOfString(start: number): number {
    for (let at = start + 1; at < this.#text.length; at += 1) {
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) return at + 1;
      if (code === BACKSLASH) at += 1;
      else if (code < FIRST_PRINTABLE) return this.#fail(at, 'a string', 'a control character');
    }
    return this.#fault('a string');
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #fault(expected: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 20);
    return this.#fail(this.#at, expected, rest === '' ? 'the end' : JSON.stringify(rest));
  }
}
