import type { Grammar } from './grammar.ts';

/** `why` on a command line. */
export const grammar: Grammar = {
  finding: 'something could not be read, so the report may lack chains',
  operands: [
    {
      usage: '<thing>',
      says: 'an id or a digest, or its first four digits or more; a name; or a path of a file of a store, which begins with / or ./',
      key: 'thing',
      completes: 'names',
    },
    {
      usage: '[path...]',
      says: 'paths in the image or commit: ask about these files instead',
      key: 'paths',
    },
  ],
  options: [
    {
      flags: '--store <store>',
      says: 'search this store: a path, composefs:PATH, ostree-local:PATH, containers-storage: or containers-storage:[DRIVER@ROOT] (default: the stores of this host)',
      key: 'store',
      take: 'texts',
    },
  ],
  help: [
    'Each line of the report is a chain of references: it begins with a root, which its store keeps for its own sake, and ends with the thing. Roots are tags, refs and names, mounts, pulls that run now, containers, and deployments of the system.',
    'A thing that no root leads to is removed by the next garbage collection (onecopy gc, ostree prune). It is reported with what refers to it.',
    'The default stores are those of onecopy df. A path is searched in the store that it belongs to; the path of a file below a mounted image means that file of the image.',
  ].join('\n\n'),
  seeAlso: ['df', 'gc', 'rm', 'find'],
};
