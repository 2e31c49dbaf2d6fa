/** Manual pages of the programs that replace the tools of the composefs project. */
import type { Entry, Page } from '../src/faces/cli/manual/page.ts';
import * as composefsDump from '../src/faces/compat/composefs-dump.ts';
import * as composefsFuse from '../src/faces/compat/composefs-fuse.ts';
import * as composefsInfo from '../src/faces/compat/composefs-info.ts';
import * as mkcomposefs from '../src/faces/compat/mkcomposefs.ts';
import * as mountComposefs from '../src/faces/compat/mount-composefs.ts';
import { type OptionTable, spellOption } from '../src/faces/compat/options.ts';

const TOOL_EXIT_CODES: readonly Entry[] = [
  { term: '0', says: 'the command succeeded' },
  { term: '1', says: 'the command failed; the reason is printed on stderr' },
];

const MKCOMPOSEFS: Page = {
  title: 'mkcomposefs',
  summary: 'create a composefs image from a directory or a dumpfile',
  usage: 'mkcomposefs [OPTIONS] SOURCE IMAGE',
  sections: [
    {
      heading: 'Description',
      paragraphs: [
        'mkcomposefs reads the directory SOURCE, or with --from-file a composefs dumpfile, and writes an EROFS image of its metadata to IMAGE. With --digest-store, the contents of the files are stored as objects, which the image refers to. A dash stands for standard input or output.',
        'This program replaces the mkcomposefs of the composefs project: the options, the bytes of the image and the exit codes are the same.',
      ],
    },
    { heading: 'Options', entries: optionEntries(mkcomposefs.OPTIONS) },
    {
      heading: 'Examples',
      examples: [
        {
          says: 'Create an image of a directory, and store the contents of its files',
          command: 'mkcomposefs --digest-store=objects rootfs image.cfs',
        },
        {
          says: 'Print the fs-verity digest of the image, and write no image',
          command: 'mkcomposefs --print-digest-only rootfs',
        },
      ],
    },
    { heading: 'Exit codes', entries: TOOL_EXIT_CODES },
    { heading: 'See also', paragraphs: ['composefs-info, onecopy image create'] },
  ],
};

const COMPOSEFS_INFO: Page = {
  title: 'composefs-info',
  summary: 'print the contents of composefs images',
  usage: 'composefs-info [OPTIONS] COMMAND IMAGE...',
  sections: [
    {
      heading: 'Description',
      paragraphs: [
        'This program replaces the composefs-info of the composefs project: the options, the output and the exit codes are the same. Options may stand before or after the command.',
      ],
    },
    {
      heading: 'Commands',
      entries: Object.entries(composefsInfo.COMMANDS).map(([term, says]) => ({ term, says })),
    },
    { heading: 'Options', entries: optionEntries(composefsInfo.OPTIONS) },
    {
      heading: 'Examples',
      examples: [
        { says: 'List the files of an image', command: 'composefs-info ls image.cfs' },
        {
          says: 'List the objects that a store lacks',
          command: 'composefs-info --basedir=objects missing-objects image.cfs',
        },
      ],
    },
    { heading: 'Exit codes', entries: TOOL_EXIT_CODES },
    { heading: 'See also', paragraphs: ['mkcomposefs, onecopy image dump'] },
  ],
};

const COMPOSEFS_DUMP: Page = {
  title: 'composefs-dump',
  summary: 'read a composefs image and write it again',
  usage: 'composefs-dump SOURCE TARGET',
  sections: [
    {
      heading: 'Description',
      paragraphs: [
        'composefs-dump reads the image SOURCE and writes the same tree to TARGET in the same version of the format. An image of mkcomposefs is written byte for byte. To print an image as text, use composefs-info dump.',
        'This program replaces the composefs-dump of the composefs project.',
      ],
    },
    { heading: 'Options', entries: optionEntries(composefsDump.OPTIONS) },
    {
      heading: 'Examples',
      examples: [{ says: 'Write an image again', command: 'composefs-dump image.cfs again.cfs' }],
    },
    { heading: 'Exit codes', entries: TOOL_EXIT_CODES },
    { heading: 'See also', paragraphs: ['mkcomposefs, composefs-info'] },
  ],
};

const COMPOSEFS_FUSE: Page = {
  title: 'composefs-fuse',
  summary: 'mount a composefs image without root',
  usage: 'composefs-fuse [OPTIONS] -o source=IMAGE,basedir=DIR MOUNTPOINT',
  sections: [
    {
      heading: 'Description',
      paragraphs: [
        'This program replaces the composefs-fuse of the composefs project. The mount is read-only.',
      ],
    },
    { heading: 'Options', entries: letterEntries(composefsFuse.LETTER_HELP) },
    { heading: 'Mount options', entries: wordEntries(composefsFuse.FUSE_OPTIONS) },
    {
      heading: 'Examples',
      examples: [
        {
          says: 'Mount an image whose objects lie in a directory',
          command: 'composefs-fuse -o source=image.cfs,basedir=objects mnt',
        },
      ],
    },
    { heading: 'Exit codes', entries: TOOL_EXIT_CODES },
    { heading: 'See also', paragraphs: ['mkcomposefs, mount.composefs'] },
  ],
};

const MOUNT_COMPOSEFS: Page = {
  title: 'mount.composefs',
  chapter: 8,
  summary: 'mount a composefs image',
  usage: 'mount.composefs [OPTIONS] IMAGE MOUNTPOINT',
  sections: [
    {
      heading: 'Description',
      paragraphs: [
        'mount.composefs mounts an image file over a directory. EROFS gives the tree, and overlayfs takes the contents of files from directories of objects. It needs root. If it is installed in /sbin, mount(8) starts it for the type composefs.',
        'This program replaces the mount.composefs of the composefs project. In addition, it takes the options that mount(8) passes to helpers.',
      ],
    },
    { heading: 'Options', entries: letterEntries(mountComposefs.LETTER_HELP) },
    {
      heading: 'Mount options',
      paragraphs: ['A backslash makes the next character plain, for example a comma in a path.'],
      entries: wordEntries(mountComposefs.MOUNT_OPTIONS),
    },
    {
      heading: 'Examples',
      examples: [
        {
          says: 'Mount an image whose objects lie in a directory',
          command: 'mount.composefs -o basedir=objects image.cfs mnt',
        },
        {
          says: 'The same by mount(8)',
          command: 'mount -t composefs -o basedir=objects image.cfs mnt',
        },
      ],
    },
    { heading: 'Exit codes', entries: TOOL_EXIT_CODES },
    { heading: 'See also', paragraphs: ['mkcomposefs, composefs-fuse, onecopy mount'] },
  ],
};

/** All pages of the tools. */
export const TOOL_PAGES: readonly Page[] = [
  MKCOMPOSEFS,
  COMPOSEFS_INFO,
  COMPOSEFS_DUMP,
  COMPOSEFS_FUSE,
  MOUNT_COMPOSEFS,
];

function optionEntries(table: OptionTable): Entry[] {
  return entriesOf(table, spellOption);
}

function letterEntries(table: OptionTable): Entry[] {
  return entriesOf(table, (letter, { value }) =>
    value === undefined ? `-${letter}` : `-${letter} ${value}`,
  );
}

function wordEntries(table: OptionTable): Entry[] {
  return entriesOf(table, (name, { value }) => (value === undefined ? name : `${name}=${value}`));
}

function entriesOf(table: OptionTable, spell: typeof spellOption): Entry[] {
  return Object.entries(table).map(([name, option]) => ({
    term: spell(name, option),
    says: option.says.charAt(0).toLowerCase() + option.says.slice(1),
  }));
}
