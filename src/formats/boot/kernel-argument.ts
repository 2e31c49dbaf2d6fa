import type { ObjectId } from '#base/digest';

/** The kernel argument that names a composefs image. */
export interface ImageArgument {
  readonly id: ObjectId;
  /** False when the argument contains `?`: files without fs-verity are accepted. */
  readonly requiresVerity: boolean;
}

/**
 * Formats the argument for an image: `composefs.digest=v1-sha256-12:ID` for format versions 0 and 1, `composefs=ID` for
 * version 2. Source: oci-and-cli section 4.8.
 */
export function formatImageArgument(
  { id, requiresVerity }: ImageArgument,
  version: 0 | 1 | 2,
): string {
  const mark = requiresVerity ? '' : '?';
  if (version === 2) return `composefs=${mark}${id}`;
  return `composefs.digest=${mark}v1-${id.length === 64 ? 'sha256' : 'sha512'}-12:${id}`;
}

/** The argument in a kernel command line; undefined without one, and for one of the other algorithm. */
export function findImageArgument(
  commandLine: string,
  algorithm: 'sha256' | 'sha512',
): ImageArgument | undefined {
  const words = splitCommandLine(commandLine);
  const digits = algorithm === 'sha256' ? 64 : 128;
  const newer = new RegExp(
    `^composefs\\.digest=(\\??)v[12]-${algorithm}-12:([0-9a-f]{${digits}})$`,
  );
  const older = new RegExp(`^composefs=(\\??)([0-9a-f]{${digits}})$`);
  for (const pattern of [newer, older]) {
    for (const word of words) {
      const [, mark, id] = pattern.exec(word) ?? [];
      if (id !== undefined) return { id: id as ObjectId, requiresVerity: mark === '' };
    }
  }
  return undefined;
}

/** Splits a command line at white space outside double quotes, as the kernel does. */
export function splitCommandLine(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  for (const character of text) {
    if (character === '"') isQuoted = !isQuoted;
    if (!isQuoted && /[\s\0]/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else word += character;
  }
  if (word !== '') words.push(word);
  return words;
}
