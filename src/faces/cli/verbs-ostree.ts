import { COMPAT } from './reading-option.ts';
import type { OptionRow, Verb } from './verbs.ts';

/** Whom to believe; of `pull`, `apply-delta` and `list-refs`. */
const TRUST: readonly OptionRow[] = [
  ['--gpg-key <file>', 'demand a GPG signature by a key of this keyring', 'repeated'],
  ['--sign-key <key>', 'demand a signature by this ed25519 key (base64) or key file', 'repeated'],
];

const CONFIGURED: readonly OptionRow[] = [
  ['--remote-config <file>', 'settings of the remote: a config or file of remotes.d'],
  ['--remote <name>', 'name of the remote in that file'],
];

/** How to speak with a server, and whether to believe its summary: a repository on this host is asked for neither. */
const SERVER: readonly OptionRow[] = [
  ['--verify-summary', 'demand the signatures of summaries too'],
  ['--accept-expired', 'accept a summary past its expiry'],
  ['--subset <key>', "key of flatpak's summary index"],
  ['--http-header <name=value>', 'send this header to the remote', 'repeated'],
  ['--retries <n>', 'how often a request that failed is made again (5)'],
  ['--stall-timeout <seconds>', 'fail if the server sends no data, or next to none, for this long'],
];

const SUPPLIED_SUMMARY: readonly OptionRow[] = [
  ['--summary <file>', 'ostree: the summary to believe, instead of asking for it'],
  ['--summary-signatures <file>', 'ostree: the signatures of that summary'],
];

/** Options of `pull` that say nothing about a repository on this host. */
export const OSTREE_REMOTE_ONLY: readonly OptionRow[] = [...SERVER, ...SUPPLIED_SUMMARY];

/** Options that `pull` has for commits. */
export const OSTREE_PULL_OPTIONS: readonly OptionRow[] = [
  ['--mirror', 'ostree: pull every ref that the source lists'],
  ['--depth <n>', 'ostree: pull this many ancestors too; -1: all'],
  ['--subpath <path>', 'ostree: pull only what lies here, as a partial commit', 'repeated'],
  ['--commit-metadata-only', 'ostree: pull the commit objects alone'],
  ['--base <ref>', 'ostree: a commit whose objects need not be fetched', 'repeated'],
  ['--no-delta', 'ostree: fetch objects one by one'],
  ['--require-delta', 'ostree: refuse to fetch without a static delta'],
  ...TRUST,
  ...CONFIGURED,
  ...SERVER,
  ...SUPPLIED_SUMMARY,
  ['--collection <id>', 'ostree: the collection that the commit must be bound to'],
  ['--no-verify-bindings', 'ostree: accept a commit that is bound to other refs'],
  ['--timestamp-check', 'ostree: refuse a commit older than the present one'],
  [
    '--timestamp-check-from <id>',
    'ostree: refuse a commit older than this one, which must be here',
  ],
  ['--keep-signatures', 'ostree: store detached metadata too'],
];

const COMMIT_OPTIONS: readonly OptionRow[] = [
  [
    '--tree <source>',
    'dir=PATH, tar=FILE, ref=COMMIT or image=NAME; later ones on top',
    'repeated',
  ],
  ['--base <commit>', 'lay the trees over this commit, whose own files stay as they are'],
  ['--reference <ref>', 'name of the commit; its present commit becomes the parent'],
  ['-s, --subject <text>', 'one line'],
  ['-m, --body <text>', 'full description'],
  ['--timestamp <time>', 'a date or @SECONDS (else SOURCE_DATE_EPOCH, else now)'],
  ['--parent <commit>', 'a commit id, or none'],
  ['--orphan', 'bind to no ref'],
  ['--no-bindings', 'write no ref binding'],
  ['--bind-ref <ref>', 'bind to this ref too', 'repeated'],
  ['--collection-id <id>', 'bind to this collection'],
  ['--add-metadata-string <key=value>', 'metadata of type string', 'repeated'],
  ['--add-metadata <key=value>', 'metadata in GVariant text format', 'repeated'],
  ['--bootable', 'say that the tree has a kernel, and which'],
  ['--keep-metadata <key>', 'take metadata over from the parent', 'repeated'],
  ['--add-detached-metadata-string <key=value>', 'detached metadata', 'repeated'],
  ['--owner-uid <uid>', 'owner of everything'],
  ['--owner-gid <gid>', 'group of everything'],
  ['--canonical-permissions', 'owner 0:0, modes within 0755, no xattrs'],
  ['--mode-ro-executables', 'executables lose their write bits'],
  ['--no-xattrs', 'leave extended attributes out'],
  ['--keep-empty-xattrs', 'keep xattrs without a value'],
  ['--statoverride <file>', 'lines "+MODE /path" or "=MODE /path", modes decimal'],
  ['--skip-list <file>', 'paths to leave out, one a line'],
  ['--skip-if-unchanged', 'make no commit when the tree is that of the parent'],
  COMPAT,
];

/** The verbs below `ostree`. */
export const OSTREE_VERBS: Verb = {
  usage: 'ostree',
  summary: 'OSTree commits: list, look into, make, export',
  verbs: [
    {
      usage: 'list-refs [source]',
      summary: 'list the refs of a remote by its URL, or of a repository on this host by its path',
      options: [...TRUST, ...CONFIGURED, ...SERVER],
      load: async () => (await import('./commands/ostree-pull.ts')).listRefs,
    },
    {
      usage: 'images',
      summary: 'list the names of commits',
      load: async () => (await import('./commands/ostree-browse.ts')).images,
    },
    {
      usage: 'log <commit>',
      summary: 'show a commit and its stored ancestors',
      options: [['--limit <n>', 'at most this many']],
      load: async () => (await import('./commands/ostree-browse.ts')).log,
    },
    {
      usage: 'show <commit>',
      summary: 'show one commit',
      load: async () => (await import('./commands/ostree-browse.ts')).show,
    },
    {
      usage: 'inspect <commit>',
      summary: 'show the commit object',
      options: [['--metadata', 'its metadata instead, one key a line']],
      load: async () => (await import('./commands/ostree-browse.ts')).inspect,
    },
    {
      usage: 'ls <commit> [path]',
      summary: 'list files with their ids',
      options: [
        ['-R, --recursive', 'everything below'],
        ['-d, --dironly', 'the directory itself, not what is in it'],
        ['-C, --checksum', 'ids of objects'],
        ['-X, --xattrs', 'extended attributes'],
      ],
      load: async () => (await import('./commands/ostree-browse.ts')).ls,
    },
    {
      usage: 'cat <commit> <path...>',
      summary: 'print files',
      load: async () => (await import('./commands/ostree-browse.ts')).cat,
    },
    {
      usage: 'diff <commit> <other-commit>',
      summary: 'list the paths that differ',
      options: [['--exit-code', 'exit with 3 when something differs']],
      load: async () => (await import('./commands/ostree-browse.ts')).diff,
    },
    {
      usage: 'dump <commit>',
      summary: 'print the tree as a composefs dumpfile',
      options: [COMPAT],
      load: async () => (await import('./commands/ostree-browse.ts')).dump,
    },
    {
      usage: 'compute-id <commit>',
      summary: 'print the id of the image, and make the image when it is missing',
      options: [['--erofs-version <n>', '0, 1 or 2; only computes'], COMPAT],
      load: async () => (await import('./commands/ostree-browse.ts')).computeId,
    },
    {
      usage: 'tag <commit> <new-name>',
      summary: 'give a commit another name',
      load: async () => (await import('./commands/ostree-write.ts')).tag,
    },
    {
      usage: 'untag <name...>',
      summary: 'take names away; gc frees what nothing names any more',
      load: async () => (await import('./commands/ostree-write.ts')).untag,
    },
    {
      usage: 'commit [image]',
      summary: 'make a commit of an image, directories, tars and commits',
      options: COMMIT_OPTIONS,
      load: async () => (await import('./commands/ostree-write.ts')).commit,
    },
    {
      usage: 'export <commit> <repository>',
      summary: 'write a commit to an OSTree repository, contents by reflink',
      options: [
        ['--reference <ref>', 'name it there', 'repeated'],
        ['--mode <mode>', 'create a missing repository: archive, bare, bare-user, bare-user-only'],
      ],
      load: async () => (await import('./commands/ostree-write.ts')).exportVerb,
    },
    {
      usage: 'checkout <commit> <directory>',
      summary: 'write the files into a new directory',
      options: [['--no-owners', 'everything belongs to this user']],
      load: async () => (await import('./commands/ostree-write.ts')).checkout,
    },
    {
      usage: 'mount <commit> <directory>',
      summary: 'mount a commit (root)',
      options: [
        ['--upper <dir>', 'a writable layer above; needs --work'],
        ['--work <dir>', "overlayfs's work directory, beside --upper"],
      ],
      load: async () => (await import('./commands/ostree-write.ts')).mount,
    },
    {
      usage: 'apply-delta <path>',
      summary: 'apply a static delta from a file or directory',
      options: [['--reference <ref>', 'name the commit'], ...TRUST, COMPAT],
      load: async () => (await import('./commands/ostree-write.ts')).applyDelta,
    },
  ],
};
