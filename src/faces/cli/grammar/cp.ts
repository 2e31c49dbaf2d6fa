import { UsageError } from '#base/errors';
import { ALSO_REFERENCES, ELSEWHERE, NO_OWNERS } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `cp` on a command line. */
export const grammar: Grammar = {
  operands: [
    {
      usage: '<name:path>',
      says: 'image or commit, and the path inside it',
      key: 'name',
      take: takeNameAndPath,
      spell: ({ name, path }) => `${name}:${path}`,
      completes: 'names:/',
    },
    {
      usage: '<destination>',
      says: 'new file or directory',
      key: 'to',
      take: 'path',
      completes: 'files',
    },
  ],
  options: [NO_OWNERS, ...ELSEWHERE],
  help: ALSO_REFERENCES,
};

/** Transports of references, with the slashes that are not the start of a path inside the image. */
const TRANSPORT = /^(?:docker:\/\/|(?:oci|oci-archive|docker-archive|dir):)/;

/**
 * `NAME:/PATH`: the name may hold colons, so the path starts at the first colon with a slash behind it; in a reference, at the first one after
 * the transport.
 */
function takeNameAndPath(text: string): { readonly name: string; readonly path: string } {
  const at = text.indexOf(':/', TRANSPORT.exec(text)?.[0].length ?? 0);
  if (at > 0) return { name: text.slice(0, at), path: text.slice(at + 1) };
  throw new UsageError(
    `Cannot read "${text}": expected NAME:/PATH`,
    'the path starts with a slash, for example app:/etc/os-release',
  );
}
