import { type ConfigFile, configInvalid, describeValue } from './config-file.ts';

/**
 * A typed walk through a TOML table. Unknown keys are ignored. Keys are compared case-insensitively, as in the other tools: `Blocked = true` must
 * block. Source: BurntSushi/toml, Decode; tried with podman 5.8.
 */
export class TomlTable {
  readonly #file: string;
  readonly #path: string;
  readonly #members = new Map<string, unknown>();

  constructor(file: string, path: string, value: object) {
    this.#file = file;
    this.#path = path;
    for (const [key, member] of Object.entries(value)) {
      const folded = key.toLowerCase();
      if (this.#members.has(folded)) this.#fail(key, 'each key once', `"${key}" twice`);
      this.#members.set(folded, member);
    }
  }

  has(key: string): boolean {
    return this.#members.has(key);
  }

  /** A string; empty if the key is absent, as in the other tools. */
  string(key: string): string {
    const value = this.#members.get(key) ?? '';
    return typeof value === 'string' ? value : this.#wrong(key, 'a string', value);
  }

  /** A boolean; false if the key is absent. */
  boolean(key: string): boolean {
    const value = this.#members.get(key) ?? false;
    return typeof value === 'boolean' ? value : this.#wrong(key, 'true or false', value);
  }

  /** A list of strings; undefined when the key is absent. */
  strings(key: string): readonly string[] | undefined {
    const value = this.#members.get(key);
    if (value === undefined) return undefined;
    const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
    return isList ? value : this.#wrong(key, 'a list of strings', value);
  }

  /** Tables of an array of tables; empty if the key is absent. */
  tables(key: string): readonly TomlTable[] {
    const value = this.#members.get(key) ?? [];
    if (!Array.isArray(value)) return this.#wrong(key, `tables written [[${key}]]`, value);
    return value.map((item, at) =>
      isTable(item)
        ? new TomlTable(this.#file, `${this.#path}${key}[${at}].`, item)
        : this.#wrong(key, 'a table', item),
    );
  }

  /** A subtable; undefined when the key is absent. */
  table(key: string): TomlTable | undefined {
    const value = this.#members.get(key);
    if (value === undefined) return undefined;
    if (!isTable(value)) return this.#wrong(key, 'a table', value);
    return new TomlTable(this.#file, `${this.#path}${key}.`, value);
  }

  /** A table of strings with its keys as written; undefined when the key is absent. */
  stringMap(key: string): ReadonlyMap<string, string> | undefined {
    const value = this.#members.get(key);
    if (value === undefined) return undefined;
    if (!isTable(value)) return this.#wrong(key, 'a table', value);
    const entries = Object.entries(value).map(([name, item]): [string, string] =>
      typeof item === 'string' ? [name, item] : this.#wrong(`${key}.${name}`, 'a string', item),
    );
    return new Map(entries);
  }

  #wrong(key: string, expected: string, value: unknown): never {
    return this.#fail(key, expected, describeValue(value));
  }

  #fail(key: string, expected: string, found: string): never {
    throw configInvalid(this.#file, { expected: `${expected} in ${this.#path}${key}`, found });
  }
}

/** Parses a TOML file; loads the parser on demand. @throws FormatError CONFIG_INVALID with the line */
export async function parseToml(file: ConfigFile): Promise<TomlTable> {
  const { parse, TomlError } = await import('smol-toml');
  try {
    return new TomlTable(file.name, '', parse(file.text));
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const found = cause.message.split('\n', 1)[0] ?? '';
    throw configInvalid(file.name, { expected: 'TOML', found, line: cause.line, cause });
  }
}

function isTable(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
  );
}
