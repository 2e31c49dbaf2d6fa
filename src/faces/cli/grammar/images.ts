import type { Grammar } from './grammar.ts';

/** `images` on a command line. */
export const grammar: Grammar = {
  options: [
    {
      flags: '--kind <kind>',
      says: 'list only this kind',
      key: 'kind',
      values: ['image', 'commit', 'erofs'],
    },
    {
      flags: '--filter <key=value>',
      says: 'list only names that match: name=PATTERN or id=PREFIX',
      key: 'filter',
      take: 'texts',
    },
    {
      flags: '--format <format>',
      says: 'print json, or for each image a line of text with {{.Field}} replaced',
      key: 'format',
    },
  ],
  help: [
    'With --quiet, only ids are printed.',
    'DOWNLOAD is the size of the layers in the manifest. SIZE is the size of the layers after decompression; a layer that occurs twice in an image counts once. For a commit, SIZE is the size of its objects. Objects that several images share count in each of them, so the sum of the column can exceed the size of the repository.',
    'The fields of --format are Name, Kind, ID, Image, Platform, Created, Layers, Download and Size.',
  ].join('\n\n'),
  aliases: [{ name: 'ostree images', request: { kind: 'commit' } }],
};
