const NAMED: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/**
 * A name as a listing prints it: backslash, LF, CR and TAB by name, other bytes that are no graphic ASCII as `\xHH`. C
 * keeps the spaces of paths and escapes those of targets.
 */
export function escapeName(bytes: string, keepSpaces: boolean): string {
  return bytes.replace(/[^\x21-\x5b\x5d-\x7e]/g, (character) => {
    if (character === ' ' && keepSpaces) return character;
    const code = character.charCodeAt(0).toString(16).padStart(2, '0');
    return NAMED.get(character) ?? `\\x${code}`;
  });
}
