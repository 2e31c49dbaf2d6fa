import { FormatError } from '#base/errors';

/**
 * Typed access to a parsed JSON document from an untrusted source: every accessor names the path it reads, and a value of
 * another type is FormatError OCI_DOCUMENT_INVALID. Unknown keys are ignored, as the image-spec demands.
 */
export class JsonField {
  readonly #value: unknown;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    this.#value = value;
    this.#path = path;
  }

  /** The member of an object; an absent member and null read the same. */
  get(key: string): JsonField {
    const object = this.#object();
    return new JsonField(
      Object.hasOwn(object, key) ? object[key] : undefined,
      `${this.#path}.${key}`,
    );
  }

  get isAbsent(): boolean {
    return this.#value === undefined || this.#value === null;
  }

  get isTrue(): boolean {
    return this.#value === true;
  }

  string(): string {
    return typeof this.#value === 'string' ? this.#value : this.fail('a string');
  }

  optionalString(): string | undefined {
    return this.isAbsent ? undefined : this.string();
  }

  /** An exact size in bytes: a non-negative integer below 2^53. */
  size(): number {
    const value = this.#value;
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.fail('a size in bytes');
  }

  /** The elements of an array; an absent array is empty. */
  list(maximum: number): JsonField[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.#value)) return this.fail('an array');
    if (this.#value.length > maximum) return this.fail(`at most ${maximum} elements`);
    return this.#value.map((item, at) => new JsonField(item, `${this.#path}[${at}]`));
  }

  /** The strings of an array; an absent array is empty. */
  strings(maximum: number): string[] {
    return this.list(maximum).map((item) => item.string());
  }

  /** A map of strings in document order; an absent map is empty, and a key whose value is null is absent. */
  stringMap(): ReadonlyMap<string, string> {
    if (this.isAbsent) return new Map();
    const fields = Object.keys(this.#object()).map((key) => [key, this.get(key)] as const);
    const present = fields.filter(([, field]) => !field.isAbsent);
    return new Map(present.map(([key, field]) => [key, field.string()]));
  }

  /** @throws FormatError OCI_DOCUMENT_INVALID, always */
  fail(expected: string, cause?: unknown): never {
    const found = describe(this.#value);
    throw new FormatError(
      'OCI_DOCUMENT_INVALID',
      `Cannot read ${this.#path}: expected ${expected}, found ${found}`,
      { offset: 0, what: this.#path, expected, found },
      cause === undefined ? {} : { cause },
    );
  }

  #object(): { readonly [key: string]: unknown } {
    const value = this.#value;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as { readonly [key: string]: unknown })
      : this.fail('an object');
  }
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  return JSON.stringify(value).slice(0, 100);
}

/**
 * Parses a document of at most `maximumBytes`; `what` names it in errors.
 * @throws FormatError OCI_DOCUMENT_TOO_LARGE, OCI_DOCUMENT_INVALID (not UTF-8, not JSON, not an object)
 */
export function parseDocument(bytes: Uint8Array, what: string, maximumBytes: number): JsonField {
  requireDocumentSize(bytes.length, what, maximumBytes);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FormatError(
      'OCI_DOCUMENT_INVALID',
      `Cannot read ${what}: expected JSON, found ${bytes.length} other bytes`,
      { offset: 0, what, sizeBytes: bytes.length },
      { cause },
    );
  }
  return new JsonField(value, what);
}

/** Compares a size with its limit before anything is read. @throws FormatError OCI_DOCUMENT_TOO_LARGE */
export function requireDocumentSize(sizeBytes: number, what: string, maximumBytes: number): void {
  if (sizeBytes <= maximumBytes) return;
  throw new FormatError(
    'OCI_DOCUMENT_TOO_LARGE',
    `Cannot read ${what}: expected at most ${maximumBytes} bytes, found ${sizeBytes}`,
    { offset: 0, what, expected: maximumBytes, found: sizeBytes },
  );
}
