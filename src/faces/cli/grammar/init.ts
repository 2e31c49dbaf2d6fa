import type { Grammar } from './grammar.ts';
import { takeVersion, VERSIONS } from './version.ts';

/** `init` on a command line. */
export const grammar: Grammar = {
  options: [
    {
      flags: '--algorithm <id>',
      says: 'digest algorithm of fs-verity (default: fsverity-sha512-12)',
      key: 'algorithm',
      values: ['fsverity-sha512-12', 'fsverity-sha256-12'],
    },
    { flags: '--insecure', says: 'create the repository without fs-verity', key: 'insecure' },
    {
      flags: '--erofs-version <n>',
      says: 'version of the images to write (default: 1); the first one given becomes the default',
      key: 'erofsVersion',
      take: takeVersion,
      isRepeated: true,
      values: VERSIONS,
    },
    {
      flags: '--reset-metadata',
      says: 'delete all images, refs and streams of an existing repository; keep the objects',
      key: 'resetMetadata',
    },
  ],
  question: ({ resetMetadata }, place) =>
    resetMetadata === true ? `Delete all images, refs and streams of ${place}?` : undefined,
};
