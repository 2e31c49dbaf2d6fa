import { FormatError } from '#base/errors';

/** Groups of a GLib key file (`config`, `origin`), in file order; values are raw, with escapes not resolved. */
export type KeyFile = Map<string, Map<string, string>>;

/** Largest key file that is read, in bytes. */
export const KEY_FILE_MAX_BYTES = 1024 * 1024;

/**
 * Parses a key file as GLib reads it: `[group]` lines, `key=value` lines with blanks around `=` dropped, `#` comments;
 * a repeated group continues, a repeated key replaces. Comments are not kept.
 * Source: GLib key file format; OSTree spec 2.9.
 * @throws FormatError OSTREE_KEY_FILE_INVALID
 */
export function parseKeyFile(bytes: Uint8Array, what = 'config'): KeyFile {
  if (bytes.length > KEY_FILE_MAX_BYTES) {
    fail(what, 0, `at most ${KEY_FILE_MAX_BYTES} bytes`, `${bytes.length} bytes`);
  }
  const file: KeyFile = new Map();
  let group: Map<string, string> | undefined;
  let offset = 0;
  for (const line of Buffer.from(bytes).toString('utf8').split('\n')) {
    const text = line.trim();
    const header = /^\[([^[\]\0]+)\]$/.exec(text)?.[1];
    const entry = /^([^=[\]\0]*[^=[\]\0\s])\s*=\s*(.*)$/s.exec(text);
    if (header !== undefined) {
      group = file.get(header) ?? new Map<string, string>();
      file.set(header, group);
    } else if (text !== '' && !text.startsWith('#')) {
      if (entry === null || group === undefined) {
        fail(what, offset, 'a group or a key', JSON.stringify(text.slice(0, 100)));
      }
      group.set(entry[1] as string, entry[2] as string);
    }
    offset += Buffer.byteLength(line) + 1;
  }
  return file;
}

/** The bytes of a key file, with an empty line between groups. */
export function encodeKeyFile(file: KeyFile): Uint8Array {
  const groups = [...file].map(
    ([name, entries]) =>
      `[${name}]\n${[...entries].map(([key, value]) => `${key}=${value}\n`).join('')}`,
  );
  return new Uint8Array(Buffer.from(groups.join('\n'), 'utf8'));
}

/** A value with its escapes resolved, or undefined. Empty counts as present. */
export function keyString(file: KeyFile, group: string, key: string): string | undefined {
  const raw = file.get(group)?.get(key);
  return raw === undefined ? undefined : unescapeValue(raw);
}

/** A boolean as GLib and libostree write it; undefined when absent or any other text. */
export function keyBoolean(file: KeyFile, group: string, key: string): boolean | undefined {
  const raw = file.get(group)?.get(key)?.toLowerCase();
  if (raw === 'true' || raw === 'yes' || raw === '1') return true;
  if (raw === 'false' || raw === 'no' || raw === '0') return false;
  return undefined;
}

/** A list whose members each end in `;` (optional after the last); `\;` is a semicolon inside a member. */
export function keyList(file: KeyFile, group: string, key: string): string[] | undefined {
  const raw = file.get(group)?.get(key);
  if (raw === undefined) return undefined;
  const members = raw.match(/(?:\\.|[^;\\])+/gs) ?? [];
  return members.map(unescapeValue);
}

/** Escapes a text; keyString restores it. */
export function escapeKeyValue(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replace(/^ /, '\\s')
    .replace(/^\t/, '\\t');
}

const ESCAPES: Readonly<Record<string, string>> = { s: ' ', n: '\n', t: '\t', r: '\r' };

function unescapeValue(raw: string): string {
  return raw.replace(/\\(.)/gs, (_, code: string) => ESCAPES[code] ?? code);
}

function fail(what: string, offset: number, expected: string, found: string): never {
  throw new FormatError(
    'OSTREE_KEY_FILE_INVALID',
    `Cannot read ${what} at ${offset}: expected ${expected}, found ${found}`,
    { offset, what, expected, found },
  );
}
