import type { Action } from './context.ts';
import { COMMIT_TARGET_OPTIONS, FILE_TARGET_OPTIONS } from './export-options.ts';
import { COMPAT } from './reading-option.ts';
import { OSTREE_PULL_OPTIONS, OSTREE_VERBS } from './verbs-ostree.ts';

/** An option: flags as commander reads them, its help text, and `repeated` when it may be given several times. */
export type OptionRow = readonly [flags: string, description: string, repeated?: 'repeated'];

/** One verb of the command line. Its code is loaded only when it runs. */
export interface Verb {
  /** Name and operands, for example `pull <reference> [name]`. */
  readonly usage: string;
  readonly summary: string;
  readonly options?: readonly OptionRow[];
  /** Text after the options, for examples. */
  readonly help?: string;
  readonly verbs?: readonly Verb[];
  readonly load?: () => Promise<Action>;
}

/** Options of every verb. */
export const GLOBAL_OPTIONS: readonly OptionRow[] = [
  [
    '--repo <path>',
    'the repository (else ONECOPY_REPO, else --system for root, --user for others)',
  ],
  ['--user', "the user's repository, ~/.var/lib/composefs"],
  ['--system', "the system's repository, /sysroot/composefs"],
  ['--json', 'print exactly one JSON document on stdout'],
  ['--progress <mode>', 'auto, plain, json or none'],
  ['--progress-fd <n>', 'also write progress as JSON lines to this descriptor'],
  ['-q, --quiet', 'no progress, no notes'],
  ['-v, --verbose', 'say more on stderr'],
  ['--no-color', 'no colours (also NO_COLOR)'],
  ['-n, --dry-run', 'say what would be done and do nothing'],
  ['-y, --yes', 'do not ask'],
  ['--jobs <n>', 'how many workers at most'],
  ['--no-trunc', 'print digests whole in tables'],
  ['--no-init', 'do not create a missing repository'],
  ['--require-verity', 'refuse a repository without fs-verity'],
];

/** Help of the verbs that look into an image. */
const ALSO_REFERENCES =
  'A name may also be a reference, oci:DIR[:TAG], oci-archive:, docker-archive: or dir:. Its layers are read and verified; nothing is stored.';

const PLATFORM: OptionRow = ['--platform <os/arch[/variant]>', "another platform than this host's"];

/** Options that `pull` has for images. */
export const IMAGE_PULL_OPTIONS: readonly OptionRow[] = [
  PLATFORM,
  ['--keep-blobs', 'also keep the compressed blobs, so that an export is byte-identical'],
  [
    '--signature-policy <file>',
    'judge the image by this policy, not by the policy.json of this host',
  ],
  ['--require-policy', 'fail if this host has no policy.json; otherwise it accepts every image'],
  ['--verify-reused', 'verify the contents of all that is there already before it is used'],
  ['--max-entries <n>', 'refuse an image of more files and directories (4000000)'],
  ['--max-layer-size <bytes>', 'refuse a layer that unpacks to more (128 GiB)'],
];

/** The verbs, in the order of the help page. A verb that is not built is absent. */
export const VERBS: readonly Verb[] = [
  {
    usage: 'init',
    summary: 'create a repository, or check that it is as asked',
    options: [
      ['--algorithm <id>', 'fsverity-sha512-12 (default) or fsverity-sha256-12'],
      ['--insecure', 'do without fs-verity'],
      ['--erofs-version <n>', '0, 1 (default) or 2', 'repeated'],
      [
        '--reset-metadata',
        'forget all images, names and streams of the one there; keep its objects',
      ],
    ],
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    usage: 'pull <reference> [name...]',
    summary: 'bring an image or an OSTree commit into the repository, verified',
    options: [...IMAGE_PULL_OPTIONS, ...OSTREE_PULL_OPTIONS, COMPAT],
    help: [
      'References: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG], dir:DIR, ostree:URL[:REF], ostree-local:PATH[:REF]',
      'A commit is called like its ref; for OSTree the names are further refs of the same source: REF, a commit id, or REF@ID to choose both.',
      'All refs of one call are set together, when everything is here.',
    ].join('\n'),
    load: async () => (await import('./commands/pull.ts')).pull,
  },
  {
    usage: 'export <name> <reference>',
    summary: 'write an image to oci:, oci-archive:, dir:, ostree-local: or a plain directory',
    options: [...FILE_TARGET_OPTIONS, ...COMMIT_TARGET_OPTIONS],
    help: 'A target without a transport is a plain directory, which must be new or empty. ostree-local:PATH[:REF] makes a commit of the image in an OSTree repository.',
    load: async () => (await import('./commands/export.ts')).exportVerb,
  },
  {
    usage: 'images',
    summary: 'list the images',
    load: async () => (await import('./commands/images.ts')).images,
  },
  {
    usage: 'inspect <name>',
    summary: 'show manifest, config and ids of an image',
    options: [
      ['--manifest', 'print the stored manifest, byte for byte'],
      ['--config', 'print the stored config, byte for byte'],
    ],
    load: async () => (await import('./commands/inspect.ts')).inspect,
  },
  {
    usage: 'history <name>',
    summary: 'show how an image was built, layer by layer',
    load: async () => (await import('./commands/inspect.ts')).history,
  },
  {
    usage: 'tag <name> <new-name>',
    summary: 'give an image another name',
    load: async () => (await import('./commands/tag.ts')).tag,
  },
  {
    usage: 'untag <name...>',
    summary: 'take names away; gc frees what nothing names any more',
    load: async () => (await import('./commands/tag.ts')).untag,
  },
  {
    usage: 'rm <name...>',
    summary: 'remove images by name or @digest, with all their names',
    load: async () => (await import('./commands/tag.ts')).rm,
  },
  {
    usage: 'ls <name> [path]',
    summary: 'list a directory of an image, without mounting',
    options: [
      ['-l, --long', 'mode, owner, size and time'],
      ['-R, --recursive', 'everything below'],
      PLATFORM,
      COMPAT,
    ],
    help: ALSO_REFERENCES,
    load: async () => (await import('./commands/browse.ts')).ls,
  },
  {
    usage: 'tree <name> [path]',
    summary: 'draw the tree of an image',
    options: [['--depth <n>', 'how deep'], PLATFORM, COMPAT],
    help: ALSO_REFERENCES,
    load: async () => (await import('./commands/browse.ts')).tree,
  },
  {
    usage: 'cat <name> <path...>',
    summary: 'print files of an image',
    options: [PLATFORM, COMPAT],
    help: ALSO_REFERENCES,
    load: async () => (await import('./commands/browse.ts')).cat,
  },
  {
    usage: 'stat <name> <path...>',
    summary: 'show everything known of a file',
    options: [PLATFORM, COMPAT],
    help: ALSO_REFERENCES,
    load: async () => (await import('./commands/browse.ts')).stat,
  },
  {
    usage: 'find <name> [path]',
    summary: 'find files by name, type, size',
    options: [
      ['--name <pattern>', 'shell pattern of the last path component'],
      ['--path <pattern>', 'shell pattern of the whole path'],
      ['--type <letters>', 'any of f d l c b p s'],
      ['--min-size <bytes>', 'at least this many bytes'],
      ['--max-size <bytes>', 'at most this many bytes'],
      ['--depth <n>', 'how deep'],
      PLATFORM,
      COMPAT,
    ],
    help: ALSO_REFERENCES,
    load: async () => (await import('./commands/browse.ts')).find,
  },
  {
    usage: 'cp <name:path> <destination>',
    summary: 'copy a file or directory out of an image',
    options: [['--no-owners', 'everything belongs to you']],
    load: async () => (await import('./commands/cp.ts')).cp,
  },
  {
    usage: 'diff <name> <other-name>',
    summary: 'compare the files of two images',
    options: [['--exit-code', 'exit 3 when they differ'], PLATFORM, COMPAT],
    help: ALSO_REFERENCES,
    load: async () => (await import('./commands/browse.ts')).diff,
  },
  {
    usage: 'mount <name> <directory>',
    summary: 'mount an image (root): EROFS for the tree, overlay for the files',
    options: [
      ['--upper <dir>', 'a writable layer above; needs --work'],
      ['--work <dir>', "overlayfs's work directory, beside --upper"],
    ],
    load: async () => (await import('./commands/mount.ts')).mount,
  },
  {
    usage: 'umount <directory>',
    summary: 'take a mount away',
    load: async () => (await import('./commands/mount.ts')).umount,
  },
  OSTREE_VERBS,
  {
    usage: 'gc',
    summary: 'remove what no name reaches',
    options: [
      ['--root <name>', 'keep this stream or image too', 'repeated'],
      ['--plan <file>', 'write what would be removed to a new file, and remove nothing'],
      ['--apply <file>', 'remove what a plan names and what still nothing reaches'],
      ['--force', 'remove images that are mounted, too; reading those mounts then fails'],
      ['--timeout <seconds>', 'wait at most this long for other users of the repository'],
      ['--depth <n>', 'keep only this many ancestors of each OSTree commit that has a name'],
    ],
    load: async () => (await import('./commands/gc.ts')).gc,
  },
  {
    usage: 'fsck [name...]',
    summary:
      'check objects, streams, images and names, or images and commits alone; exit 3 with findings',
    options: [
      [
        '--metadata-only',
        'do not read contents: objects, diff ids and EROFS images are not checked',
      ],
      ['--repair', 'bring back or rebuild what is damaged, and remove what cannot be repaired'],
      ['--from <reference>', 'with --repair: pull this image again, without a name', 'repeated'],
    ],
    load: async () => (await import('./commands/fsck.ts')).fsck,
  },
  {
    usage: 'inspect-format <file>',
    summary: 'print what a file of any format we know says, as JSON, and what is wrong with it',
    options: [['--as <format>', 'take it for this format instead of finding out']],
    load: async () => (await import('./commands/inspect-format.ts')).inspectFormat,
  },
  {
    usage: 'doctor [path...]',
    summary: 'say what this host can do for a store, and how to get the rest',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
];
