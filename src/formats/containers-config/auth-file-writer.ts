import type { AuthFile, JsonObject } from './auth-file.ts';

/**
 * The text of a credentials file with this name and password for `key`. All other keys are kept; the format is podman's: tabs, sorted keys, no
 * newline at the end.
 */
export function encodeWithEntry(
  file: AuthFile | undefined,
  key: string,
  pair: { readonly user: string; readonly password: string },
): string {
  const auth = Buffer.from(`${pair.user}:${pair.password}`, 'utf8').toString('base64');
  const entries = new Map<string, JsonObject>([...(file?.entries ?? []), [key, { auth }]]);
  return encodeEntries(file, entries);
}

/** The text without this exact key; undefined when the file has no such key. */
export function encodeWithoutEntry(file: AuthFile, key: string): string | undefined {
  if (!file.entries.has(key)) return undefined;
  const entries = new Map(file.entries);
  entries.delete(key);
  return encodeEntries(file, entries);
}

/** The text without entries. */
export function encodeWithoutEntries(file: AuthFile): string {
  return encodeEntries(file, new Map());
}

function encodeEntries(
  file: AuthFile | undefined,
  entries: ReadonlyMap<string, JsonObject>,
): string {
  const auths = sortedObject([...entries]);
  const rest = Object.entries(file?.document ?? {}).filter(
    ([key]) => key.toLowerCase() !== 'auths',
  );
  const document = file?.isLegacy === true ? auths : sortedObject([...rest, ['auths', auths]]);
  return JSON.stringify(document, undefined, '\t');
}

function sortedObject(entries: readonly (readonly [string, unknown])[]): JsonObject {
  return Object.fromEntries([...entries].sort(([one], [other]) => (one < other ? -1 : 1)));
}
