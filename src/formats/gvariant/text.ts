import { FormatError } from '#base/errors';
import {
  BYTES,
  parseVariantType,
  VARIANT_DEPTH_MAX,
  type Variant,
  type VariantType,
} from './variant-type.ts';

/** Longest text accepted, in characters. */
export const VARIANT_TEXT_MAX = 1024 * 1024;

/**
 * Parses a value in GVariant text format, as `ostree commit --add-metadata` accepts it: `uint32 7`, `@as []`, `b"x"`, `<"in">`,
 * `{"k": <1>}`, `just 4`, `("a", byte 2)`. Numbers without a type are int32, with a fraction double; elements of an array agree on a type.
 * Source: GLib reference manual, GVariant Text Format.
 * @throws FormatError GVARIANT_TEXT_INVALID
 */
export function parseVariantText(text: string): Variant {
  if (text.length > VARIANT_TEXT_MAX) fail(0, `at most ${VARIANT_TEXT_MAX} characters`, 'more');
  const parser = new TextParser(text);
  const node = parser.value(0);
  parser.end();
  const type = typeOf(node.pattern, node);
  return { type, value: build(node, type) };
}

/** A partly known type, before the whole value is parsed: possible type letters, or a shape. */
type Pattern =
  | { readonly kind: 'any' }
  | { readonly kind: 'basic'; readonly letters: string }
  | { readonly kind: 'a' | 'm'; readonly element: Pattern }
  | { readonly kind: '(' | '{'; readonly members: readonly Pattern[] };

type Node = { readonly offset: number; readonly pattern: Pattern } & (
  | { readonly kind: 'number' | 'string'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'variant'; readonly inner: Node }
  | { readonly kind: 'maybe'; readonly inner: Node | undefined }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
);

const ANY: Pattern = { kind: 'any' };
const INTEGER_LETTERS = 'ynqiuxthd';
const STRING_LETTERS = 'sog';
/** Keywords that state the type of the value after them. */
const KEYWORDS: Readonly<Record<string, string>> = {
  boolean: 'b',
  byte: 'y',
  int16: 'n',
  uint16: 'q',
  int32: 'i',
  uint32: 'u',
  handle: 'h',
  int64: 'x',
  uint64: 't',
  double: 'd',
  string: 's',
  objectpath: 'o',
  signature: 'g',
};
/** Ranges of the integer types. */
const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  y: [0n, 0xffn],
  n: [-0x8000n, 0x7fffn],
  q: [0n, 0xffffn],
  i: [-(2n ** 31n), 2n ** 31n - 1n],
  u: [0n, 2n ** 32n - 1n],
  h: [-(2n ** 31n), 2n ** 31n - 1n],
  x: [-(2n ** 63n), 2n ** 63n - 1n],
  t: [0n, 2n ** 64n - 1n],
};
const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

class TextParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) this.#fail('the end');
  }

  value(depth: number): Node {
    if (depth > VARIANT_DEPTH_MAX) this.#fail(`at most ${VARIANT_DEPTH_MAX} levels`);
    this.#space();
    const offset = this.#at;
    const next = this.#text[offset] ?? '';
    if (next === '@') return this.#typed(depth);
    if (next === '[') return this.#array(depth);
    if (next === '(') return this.#tuple(depth);
    if (next === '{') return this.#dictionary(depth);
    if (next === '<') {
      this.#at += 1;
      const inner = this.value(depth + 1);
      this.#expect('>');
      return { kind: 'variant', offset, pattern: { kind: 'basic', letters: 'v' }, inner };
    }
    if (next === '"' || next === "'") {
      const text = this.#quoted(false);
      return { kind: 'string', offset, pattern: { kind: 'basic', letters: STRING_LETTERS }, text };
    }
    const literal = /^b(?=["'])/.exec(this.#text.slice(offset, offset + 2));
    if (literal !== null) {
      this.#at += 1;
      const value = new Uint8Array(Buffer.from(`${this.#quoted(true)}\0`, 'latin1'));
      return { kind: 'bytes', offset, pattern: patternOf(BYTES), value };
    }
    return this.#word(depth, offset);
  }

  #word(depth: number, offset: number): Node {
    const word = /^[-+.\w]+/.exec(this.#text.slice(offset, offset + 400))?.[0] ?? '';
    if (word === '') this.#fail('a value');
    this.#at += word.length;
    if (word === 'true' || word === 'false') {
      const pattern = { kind: 'basic', letters: 'b' } as const;
      return { kind: 'boolean', offset, pattern, value: word === 'true' };
    }
    if (word === 'nothing') {
      return { kind: 'maybe', offset, pattern: { kind: 'm', element: ANY }, inner: undefined };
    }
    if (word === 'just') {
      const inner = this.value(depth + 1);
      return { kind: 'maybe', offset, pattern: { kind: 'm', element: inner.pattern }, inner };
    }
    const letter = Object.hasOwn(KEYWORDS, word) ? KEYWORDS[word] : undefined;
    if (letter !== undefined) {
      const node = this.value(depth + 1);
      return this.#restrict(node, { kind: 'basic', letters: letter });
    }
    return this.#number(word, offset);
  }

  #number(word: string, offset: number): Node {
    if (/^[-+]?(0x[0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.test(word)) {
      const pattern = { kind: 'basic', letters: INTEGER_LETTERS } as const;
      return { kind: 'number', offset, pattern, text: word };
    }
    const isDouble = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(word);
    if (!isDouble && !/^[-+]?(inf|nan)$/.test(word)) {
      this.#at = offset;
      this.#fail('a value');
    }
    return { kind: 'number', offset, pattern: { kind: 'basic', letters: 'd' }, text: word };
  }

  #typed(depth: number): Node {
    const signature = /^@([a-z{}()]+)/.exec(this.#text.slice(this.#at))?.[1];
    if (signature === undefined) this.#fail('a type');
    const type = parseVariantType(signature);
    this.#at += 1 + signature.length;
    return this.#restrict(this.value(depth + 1), patternOf(type));
  }

  #array(depth: number): Node {
    const offset = this.#at;
    const items = this.#items(']', depth);
    const element = items.reduce<Pattern>((known, item) => unify(known, item.pattern, item), ANY);
    return { kind: 'list', offset, pattern: { kind: 'a', element }, items };
  }

  #tuple(depth: number): Node {
    const offset = this.#at;
    const items = this.#items(')', depth);
    const members = items.map(({ pattern }) => pattern);
    return { kind: 'list', offset, pattern: { kind: '(', members }, items };
  }

  /** Parses a dictionary: `{}` and `{k: v, …}` are arrays of entries, `{k, v}` is one entry. */
  #dictionary(depth: number): Node {
    const offset = this.#at;
    this.#at += 1;
    const entries: Node[] = [];
    while (!this.#take('}')) {
      if (entries.length > 0) this.#expect(',');
      const at = this.#at;
      const key = this.value(depth + 1);
      if (entries.length === 0 && this.#take(',')) {
        const pair = [key, this.value(depth + 1)] as const;
        this.#expect('}');
        return entryNode(offset, pair);
      }
      this.#expect(':');
      entries.push(entryNode(at, [key, this.value(depth + 1)]));
    }
    const start: Pattern = { kind: '{', members: [ANY, ANY] };
    const element = entries.reduce<Pattern>((known, one) => unify(known, one.pattern, one), start);
    return { kind: 'list', offset, pattern: { kind: 'a', element }, items: entries };
  }

  #items(close: string, depth: number): Node[] {
    this.#at += 1;
    const items: Node[] = [];
    while (!this.#take(close)) {
      if (items.length > 0) {
        this.#expect(',');
        if (close === ')' && this.#take(close)) break;
      }
      items.push(this.value(depth + 1));
    }
    return items;
  }

  /** Parses the text between quotes. Escapes: octal for bytes, `\u` and `\U` for strings. */
  #quoted(isBytes: boolean): string {
    const quote = this.#text[this.#at++];
    let out = '';
    for (;;) {
      const unit = this.#text[this.#at++] ?? this.#fail(`a closing ${quote}`);
      if (unit === quote) return out;
      if (unit !== '\\') {
        out += isBytes ? Buffer.from(unit, 'utf8').toString('latin1') : unit;
        continue;
      }
      const rest = this.#text.slice(this.#at, this.#at + 9);
      const code = isBytes
        ? /^[0-7]{1,3}/.exec(rest)
        : /^(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})/.exec(rest);
      if (code !== null) {
        this.#at += code[0].length;
        const point = isBytes
          ? Number.parseInt(code[0], 8) & 0xff
          : Number.parseInt(code[0].slice(1), 16);
        if (point > 0x10ffff) this.#fail('a character');
        out += String.fromCodePoint(point);
        continue;
      }
      const escaped = this.#text[this.#at++] ?? this.#fail(`a closing ${quote}`);
      out += ESCAPES[escaped] ?? escaped;
    }
  }

  #restrict(node: Node, pattern: Pattern): Node {
    return { ...node, pattern: unify(node.pattern, pattern, node) };
  }

  #take(symbol: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== symbol) return false;
    this.#at += 1;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) this.#fail(`"${symbol}"`);
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #fail(expected: string): never {
    const found = this.#text.slice(this.#at, this.#at + 20);
    return fail(this.#at, expected, found === '' ? 'the end' : JSON.stringify(found));
  }
}

function entryNode(offset: number, pair: readonly [Node, Node]): Node {
  const members = pair.map(({ pattern }) => pattern);
  return { kind: 'list', offset, pattern: { kind: '{', members }, items: pair };
}

/** Returns the pattern that matches exactly one type. */
function patternOf(type: VariantType): Pattern {
  const { kind, children } = type;
  if (kind === 'a' || kind === 'm') return { kind, element: patternOf(children[0] as VariantType) };
  if (kind === '(' || kind === '{') return { kind, members: children.map(patternOf) };
  return { kind: 'basic', letters: kind };
}

/** Returns the pattern that matches both. A value also matches a maybe of its type. */
function unify(a: Pattern, b: Pattern, at: { readonly offset: number }): Pattern {
  if (a.kind === 'any') return b;
  if (b.kind === 'any') return a;
  if (a.kind === 'basic' && b.kind === 'basic') {
    const letters = [...a.letters].filter((letter) => b.letters.includes(letter)).join('');
    if (letters !== '') return { kind: 'basic', letters };
  } else if ((a.kind === 'a' && b.kind === 'a') || (a.kind === 'm' && b.kind === 'm')) {
    return { kind: a.kind, element: unify(a.element, b.element, at) };
  } else if ((a.kind === '(' && b.kind === '(') || (a.kind === '{' && b.kind === '{')) {
    if (a.members.length === b.members.length) {
      const members = a.members.map((one, index) => unify(one, b.members[index] ?? ANY, at));
      return { kind: a.kind, members };
    }
  } else if (b.kind === 'm') {
    return { kind: 'm', element: unify(a, b.element, at) };
  } else if (a.kind === 'm') {
    return { kind: 'm', element: unify(a.element, b, at) };
  }
  return fail(at.offset, 'one type', 'two that exclude each other');
}

function typeOf(pattern: Pattern, at: { readonly offset: number }): VariantType {
  return parseVariantType(signatureOf(pattern, at));
}

function signatureOf(pattern: Pattern, at: { readonly offset: number }): string {
  switch (pattern.kind) {
    case 'any':
      return fail(at.offset, 'a value that tells its type', 'an empty one');
    case 'a':
    case 'm':
      return pattern.kind + signatureOf(pattern.element, at);
    case '(':
      return `(${pattern.members.map((one) => signatureOf(one, at)).join('')})`;
    case '{':
      return `{${pattern.members.map((one) => signatureOf(one, at)).join('')}}`;
    case 'basic':
      if (pattern.letters.length === 1) return pattern.letters;
      return pattern.letters.includes('i') ? 'i' : 's';
  }
}

/** Builds the value of a node as a type that its pattern allows. */
function build(node: Node, type: VariantType): unknown {
  const { children, kind } = type;
  if (kind === 'm' && node.kind !== 'maybe')
    return { just: build(node, children[0] as VariantType) };
  switch (node.kind) {
    case 'boolean':
    case 'bytes':
      return node.value;
    case 'string':
      return node.text;
    case 'number':
      return numberOf(node.text, kind, node.offset);
    case 'variant': {
      const inner = typeOf(node.inner.pattern, node.inner);
      return { type: inner, value: build(node.inner, inner) };
    }
    case 'maybe': {
      const element = children[0] as VariantType;
      return node.inner === undefined ? null : { just: build(node.inner, element) };
    }
    case 'list': {
      const isArray = kind === 'a';
      const items = node.items.map((item, index) =>
        build(item, children[isArray ? 0 : index] as VariantType),
      );
      return type.signature === BYTES.signature ? Uint8Array.from(items as number[]) : items;
    }
  }
}

function numberOf(text: string, letter: string, offset: number): number | bigint {
  if (letter === 'd') {
    const special = /(inf|nan)$/.exec(text)?.[1];
    if (special === 'nan') return Number.NaN;
    if (special === 'inf') return text.startsWith('-') ? -Infinity : Infinity;
    return Number(text);
  }
  const digits = text.replace(/^[-+]/, '');
  const magnitude = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const value = text.startsWith('-') ? -magnitude : magnitude;
  const [min, max] = RANGES[letter] as readonly [bigint, bigint];
  if (value < min || value > max) fail(offset, `a number from ${min} to ${max}`, text);
  return letter === 'x' || letter === 't' ? value : Number(value);
}

function fail(offset: number, expected: string, found: string): never {
  throw new FormatError(
    'GVARIANT_TEXT_INVALID',
    `Cannot read GVariant text at ${offset}: expected ${expected}, found ${found}`,
    { offset, what: 'GVariant text', expected, found },
  );
}
