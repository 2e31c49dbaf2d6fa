import { FormatError } from '#base/errors';

/** Deepest accepted nesting of types and values; GLib's limit (G_VARIANT_MAX_RECURSION_DEPTH) is 128. */
export const VARIANT_DEPTH_MAX = 64;

/** The single-letter types: letter, alignment and size in bytes (undefined: variable). Source: OSTree spec 1.1. */
const BASIC = {
  y: [1, 1],
  b: [1, 1],
  n: [2, 2],
  q: [2, 2],
  i: [4, 4],
  u: [4, 4],
  h: [4, 4],
  x: [8, 8],
  t: [8, 8],
  d: [8, 8],
  s: [1, undefined],
  o: [1, undefined],
  g: [1, undefined],
  v: [8, undefined],
} as const;

/** A letter of the type language, or the opening letter of a constructed type. */
export type VariantKind = keyof typeof BASIC | 'a' | 'm' | '(' | '{';

/**
 * A GVariant type. The type parameter is the JavaScript type of its values:
 * y n q i u h d → number, b → boolean, x t → bigint, s o g → string, v → Variant, ay → Uint8Array (a view),
 * other arrays → array, m → `{ just }` or null, tuples and dict entries → array of members.
 */
export interface VariantType<out T = unknown> {
  readonly signature: string;
  readonly kind: VariantKind;
  /** 1, 2, 4 or 8. */
  readonly alignment: number;
  /** Size of every value of a fixed-size type, in bytes, else undefined. */
  readonly fixedSizeBytes: number | undefined;
  /** Element of an array or maybe, members of a tuple or dict entry. */
  readonly children: readonly VariantType[];
  /** Levels of construction, 1 for a basic type. */
  readonly depth: number;
  /** Never present at run time; carries the value type. */
  readonly valueType?: T;
}

/** A value with its type: the content of a `v`. */
export interface Variant<out T = unknown> {
  readonly type: VariantType<T>;
  readonly value: T;
}

/** A maybe with a value. Nothing is null, so that just-nothing and nothing remain distinct. */
export interface Just<out T> {
  readonly just: T;
}

/** JavaScript type of the values of a GVariant type. */
export type ValueOf<V> = V extends VariantType<infer T> ? T : never;

function basic<T>(letter: keyof typeof BASIC): VariantType<T> {
  const [alignment, fixedSizeBytes] = BASIC[letter];
  return { signature: letter, kind: letter, alignment, fixedSizeBytes, children: [], depth: 1 };
}

/** `y` */
export const BYTE: VariantType<number> = basic('y');
/** `b` */
export const BOOLEAN: VariantType<boolean> = basic('b');
/** `n` */
export const INT16: VariantType<number> = basic('n');
/** `q` */
export const UINT16: VariantType<number> = basic('q');
/** `i` */
export const INT32: VariantType<number> = basic('i');
/** `u` */
export const UINT32: VariantType<number> = basic('u');
/** `h` */
export const HANDLE: VariantType<number> = basic('h');
/** `x` */
export const INT64: VariantType<bigint> = basic('x');
/** `t` */
export const UINT64: VariantType<bigint> = basic('t');
/** `d` */
export const DOUBLE: VariantType<number> = basic('d');
/** `s` */
export const STRING: VariantType<string> = basic('s');
/** `o` */
export const OBJECT_PATH: VariantType<string> = basic('o');
/** `g` */
export const SIGNATURE: VariantType<string> = basic('g');
/** `v` */
export const VARIANT: VariantType<Variant> = basic('v');
/** `ay`, whose value is a Uint8Array instead of an array of numbers. */
export const BYTES: VariantType<Uint8Array> = arrayOf(
  BYTE,
) as VariantType as VariantType<Uint8Array>;
/** `a{sv}`, in stored order with repeated keys kept. */
export const VARIANT_DICT: VariantType<VariantDict> = arrayOf(entryOf(STRING, VARIANT));

/** Value of `a{sv}`: pairs in stored order, because ids depend on the order. */
export type VariantDict = readonly (readonly [string, Variant])[];

/** `aT`; use BYTES for `ay`. */
export function arrayOf<T>(element: VariantType<T>): VariantType<readonly T[]> {
  return {
    signature: `a${element.signature}`,
    kind: 'a',
    alignment: element.alignment,
    fixedSizeBytes: undefined,
    children: [element],
    depth: element.depth + 1,
  };
}

/** `mT` */
export function maybeOf<T>(element: VariantType<T>): VariantType<Just<T> | null> {
  const type: VariantType = arrayOf(element);
  const maybe: VariantType = { ...type, signature: `m${element.signature}`, kind: 'm' };
  return maybe as VariantType<Just<T> | null>;
}

/** `(…)` */
export function tupleOf<const M extends readonly VariantType[]>(
  ...members: M
): VariantType<{ readonly [I in keyof M]: ValueOf<M[I]> }> {
  return compound('(', members) as VariantType<{ readonly [I in keyof M]: ValueOf<M[I]> }>;
}

/** `{KV}` */
export function entryOf<K, V>(
  key: VariantType<K>,
  value: VariantType<V>,
): VariantType<readonly [K, V]> {
  return compound('{', [key, value]) as VariantType<readonly [K, V]>;
}

/**
 * Parses a type string that holds exactly one definite type.
 * @throws FormatError GVARIANT_TYPE_INVALID
 */
export function parseVariantType(signature: string): VariantType {
  const known = KNOWN.get(signature);
  if (known !== undefined) return known;
  const parser = new TypeParser(signature);
  const type = parser.next(1);
  if (parser.offset !== signature.length) parser.fail('more than one type');
  return type;
}

const KNOWN: ReadonlyMap<string, VariantType> = new Map(
  [BYTE, BOOLEAN, INT32, UINT32, INT64, UINT64, STRING, VARIANT, BYTES, VARIANT_DICT].map(
    (type): [string, VariantType] => [type.signature, type],
  ),
);

function compound(kind: '(' | '{', members: readonly VariantType[]): VariantType {
  let alignment = 1;
  let depth = 0;
  let size: number | undefined = 0;
  for (const member of members) {
    alignment = Math.max(alignment, member.alignment);
    depth = Math.max(depth, member.depth);
    size =
      size === undefined || member.fixedSizeBytes === undefined
        ? undefined
        : alignUp(size, member.alignment) + member.fixedSizeBytes;
  }
  if (size !== undefined) size = members.length === 0 ? 1 : alignUp(size, alignment);
  const inner = members.map((member) => member.signature).join('');
  return {
    signature: kind === '(' ? `(${inner})` : `{${inner}}`,
    kind,
    alignment,
    fixedSizeBytes: size,
    children: members,
    depth: depth + 1,
  };
}

/** Rounds `offset` up to a multiple of an alignment (1, 2, 4 or 8). */
export function alignUp(offset: number, alignment: number): number {
  const rest = offset % alignment;
  return rest === 0 ? offset : offset + alignment - rest;
}

/** Recursive descent over a type string; depth is bounded, so hostile text cannot exhaust the stack. */
class TypeParser {
  offset = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  next(depth: number): VariantType {
    if (depth > VARIANT_DEPTH_MAX) this.fail(`nested deeper than ${VARIANT_DEPTH_MAX}`);
    const letter = this.#text[this.offset] ?? '';
    this.offset++;
    if (letter === 'a') {
      const element = this.next(depth + 1);
      return element.kind === 'y' ? BYTES : arrayOf(element);
    }
    if (letter === 'm') return maybeOf(this.next(depth + 1));
    if (letter === '(') return compound('(', this.#members(')', depth));
    if (letter === '{') return this.#entry(depth);
    if (!Object.hasOwn(BASIC, letter)) {
      this.offset--;
      this.fail(letter === '' ? 'it ends too early' : `unknown letter "${letter}"`);
    }
    return basic(letter as keyof typeof BASIC);
  }

  fail(reason: string): never {
    const text = this.#text.slice(0, 100);
    throw new FormatError(
      'GVARIANT_TYPE_INVALID',
      `Cannot parse GVariant type "${text}" at ${this.offset}: ${reason}`,
      { offset: this.offset, what: 'GVariant type', found: text },
    );
  }

  #members(close: string, depth: number): VariantType[] {
    const members: VariantType[] = [];
    while (this.#text[this.offset] !== close) members.push(this.next(depth + 1));
    this.offset++;
    return members;
  }

  #entry(depth: number): VariantType {
    const members = this.#members('}', depth);
    const key = members[0];
    if (members.length !== 2 || key === undefined) this.fail('a dict entry has two members');
    if (!Object.hasOwn(BASIC, key.kind) || key.kind === 'v') this.fail('a dict key must be basic');
    return compound('{', members);
  }
}
