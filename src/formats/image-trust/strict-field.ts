import type { StrictValue } from './strict-json.ts';

/** Reports an invalid field and never returns. */
export type FieldFail = (path: string, expected: string, found: string) => never;

/**
 * A typed walk through a strict JSON document: an object must have only the keys that its reader names, in exactly this spelling.
 */
export class StrictField {
  readonly value: StrictValue | undefined;
  readonly path: string;
  readonly #fail: FieldFail;

  constructor(value: StrictValue | undefined, path: string, fail: FieldFail) {
    this.value = value;
    this.path = path;
    this.#fail = fail;
  }

  get isAbsent(): boolean {
    return this.value === undefined;
  }

  /** The members of an object by name. Every key must be in `known`. */
  object(known: readonly string[]): (key: string) => StrictField {
    const members = this.#members();
    for (const key of members.keys()) {
      if (!known.includes(key)) this.fail(`no keys but ${known.join(', ')}`, `"${key}"`);
    }
    return (key) => this.#member(key, members.get(key));
  }

  /** The members of an object with arbitrary keys, in the order of the file. */
  entries(): readonly (readonly [string, StrictField])[] {
    return [...this.#members()].map(([key, value]) => [key, this.#member(key, value)] as const);
  }

  /** One member of an object whose other keys are read later. */
  peek(key: string): StrictField {
    return this.#member(key, this.#members().get(key));
  }

  string(): string {
    return typeof this.value === 'string' ? this.value : this.fail('a string', this.describe());
  }

  /** The elements of a non-empty list. */
  list(): readonly StrictField[] {
    const list = this.value;
    if (!Array.isArray(list)) return this.fail('a list', this.describe());
    if (list.length === 0) this.fail('a list with elements', 'an empty one');
    return list.map((item, at) => new StrictField(item, `${this.path}[${at}]`, this.#fail));
  }

  /** Reports this field. */
  fail(expected: string, found: string): never {
    return this.#fail(this.path, expected, found.slice(0, 200));
  }

  /** Describes the value in messages. */
  describe(): string {
    const { value } = this;
    if (value === undefined) return 'nothing';
    if (value instanceof Map) return 'an object';
    return Array.isArray(value) ? `a list of ${value.length}` : JSON.stringify(value);
  }

  #members(): ReadonlyMap<string, StrictValue> {
    return this.value instanceof Map ? this.value : this.fail('an object', this.describe());
  }

  #member(key: string, value: StrictValue | undefined): StrictField {
    return new StrictField(value, this.path === '' ? key : `${this.path}.${key}`, this.#fail);
  }
}
