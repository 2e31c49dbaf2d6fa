import { UsageError } from '#base/errors';

/** Single letters of a program: true for a letter with a value. */
export type LetterTable = Readonly<Record<string, boolean>>;

/** A command line of single letters. */
export interface ParsedLetters {
  /** In order; the value is undefined for a letter without one. */
  readonly letters: readonly { readonly letter: string; readonly value: string | undefined }[];
  readonly operands: readonly string[];
}

/**
 * Parses single letters as getopt does: several in one word, a value joined or in the next word, mixed with operands, and `--` to end them.
 * @throws UsageError with the message of getopt
 */
export function parseLetters(
  argv: readonly string[],
  table: LetterTable,
  program: string,
): ParsedLetters {
  const letters: { letter: string; value: string | undefined }[] = [];
  const operands: string[] = [];
  const queue = [...argv];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') {
      operands.push(...queue);
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    for (let at = 1; at < word.length; at += 1) {
      const letter = word[at] as string;
      const takesValue = Object.hasOwn(table, letter) ? table[letter] : undefined;
      if (takesValue === undefined)
        throw new UsageError(`${program}: invalid option -- '${letter}'`);
      if (!takesValue) {
        letters.push({ letter, value: undefined });
        continue;
      }
      const value = at + 1 < word.length ? word.slice(at + 1) : queue.shift();
      if (value === undefined)
        throw new UsageError(`${program}: option requires an argument -- '${letter}'`);
      letters.push({ letter, value });
      break;
    }
  }
  return { letters, operands };
}
