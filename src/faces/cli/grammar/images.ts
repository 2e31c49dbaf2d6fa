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
  help: 'With --quiet only ids are printed. Fields of --format are Name, Kind, ID, Image, Platform, Created, Layers and Download.',
  aliases: [{ name: 'ostree images', request: { kind: 'commit' } }],
};
