/** The list behind `-o` of mount helpers. */

/** An option of a list: its name, and its value if it has one. */
export interface MountOption {
  readonly name: string;
  readonly value: string | undefined;
}

/** Splits a list at its commas. A backslash makes the character behind it plain; a name ends at the first `=`. */
export function splitMountOptions(list: string): MountOption[] {
  return splitPlain(list, ',').map((text) => {
    const equals = text.indexOf('=');
    if (equals < 0) return { name: text, value: undefined };
    return { name: text.slice(0, equals), value: text.slice(equals + 1) };
  });
}

function splitPlain(text: string, separator: string): string[] {
  const parts = [''];
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index] as string;
    if (character === separator) parts.push('');
    else {
      const isEscape = character === '\\' && index + 1 < text.length;
      if (isEscape) index += 1;
      parts[parts.length - 1] += isEscape ? (text[index] as string) : character;
    }
  }
  return parts;
}
