import { UsageError } from '#base/errors';
import { ALSO_REFERENCES, DEPTH, ELSEWHERE, NAME, PATH } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `find` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, PATH],
  options: [
    {
      flags: '--name <pattern>',
      says: 'match the file name with this shell pattern',
      key: 'fileName',
    },
    {
      flags: '--path <pattern>',
      says: 'match the whole path with this shell pattern',
      key: 'wholePath',
    },
    {
      flags: '--type <letters>',
      says: 'find only these types: any of f d l c b p s',
      key: 'type',
      take: takeTypes,
      spell: spellTypes,
    },
    {
      flags: '--min-size <size>',
      says: 'find files of at least this size: bytes, or with a suffix such as k, M or GiB',
      key: 'minSizeBytes',
      take: 'size',
    },
    {
      flags: '--max-size <size>',
      says: 'find files of at most this size',
      key: 'maxSizeBytes',
      take: 'size',
    },
    DEPTH,
    ...ELSEWHERE,
  ],
  help: ALSO_REFERENCES,
};

/** Letters of find(1). */
const KIND_BY_LETTER: Readonly<Record<string, string>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  c: 'chr',
  b: 'blk',
  p: 'fifo',
  s: 'socket',
};

/** The inverse of `takeTypes`. */
function spellTypes(kinds: unknown): string {
  const letters = Object.entries(KIND_BY_LETTER);
  return letters
    .flatMap(([letter, kind]) => ((kinds as string[]).includes(kind) ? [letter] : []))
    .join('');
}

function takeTypes(letters: string): string[] {
  return letters.split('').map((letter) => {
    const kind = KIND_BY_LETTER[letter];
    if (kind !== undefined) return kind;
    throw new UsageError(
      `Cannot read --type: expected letters of f d l c b p s, found "${letter}"`,
    );
  });
}
