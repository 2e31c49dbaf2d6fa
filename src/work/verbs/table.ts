import type { Verb } from './verb.ts';

/** Headings under which verbs are listed, in order. */
export const VERB_GROUPS = {
  move: 'Bring and take away',
  names: 'Names',
  registry: 'Registries',
  files: 'Files',
  image: 'EROFS images',
  ostree: 'OSTree',
  repository: 'Repository and host',
} as const;

/** What is known of a verb without its code: enough for help, completion and lists. */
export interface VerbRow {
  /** One word, or a group and a word, for example `image dump`. */
  readonly name: string;
  readonly group: keyof typeof VERB_GROUPS;
  /** An imperative phrase without a full stop. */
  readonly summary: string;
  /** Loads the code, for a run. */
  readonly load: () => Promise<Verb>;
}

/** All verbs, in the order of the help page. A verb that is not built is absent. */
export const VERBS: readonly VerbRow[] = [
  {
    name: 'pull',
    group: 'move',
    summary: 'bring an image or an OSTree commit into the repository, verified',
    load: async () => (await import('./pull.ts')).pull,
  },
  {
    name: 'export',
    group: 'move',
    summary: 'write an image to oci:, oci-archive:, dir: or ostree-local:, or files to a directory',
    load: async () => (await import('./export.ts')).exportVerb,
  },
  {
    name: 'images',
    group: 'names',
    summary: 'list images and commits',
    load: async () => (await import('./images.ts')).images,
  },
  {
    name: 'inspect',
    group: 'names',
    summary: 'show what an image or a commit says of itself',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  {
    name: 'history',
    group: 'names',
    summary: 'show how an image was built, or a commit and its stored ancestors',
    load: async () => (await import('./history.ts')).history,
  },
  {
    name: 'tag',
    group: 'names',
    summary: 'give an image or a commit another name',
    load: async () => (await import('./tag.ts')).tag,
  },
  {
    name: 'untag',
    group: 'names',
    summary: 'take names away; gc frees what nothing names any more',
    load: async () => (await import('./untag.ts')).untag,
  },
  {
    name: 'rm',
    group: 'names',
    summary: 'remove images and commits by name, or by id with all their names',
    load: async () => (await import('./rm.ts')).rm,
  },
  {
    name: 'tags',
    group: 'registry',
    summary: 'list the tags of an image in a registry',
    load: async () => (await import('./tags.ts')).tags,
  },
  {
    name: 'referrers',
    group: 'registry',
    summary: 'list what a registry keeps beside an image: signatures and other attachments',
    load: async () => (await import('./referrers.ts')).referrers,
  },
  {
    name: 'login',
    group: 'registry',
    summary: 'verify a password at a registry and keep it',
    load: async () => (await import('./login.ts')).login,
  },
  {
    name: 'logout',
    group: 'registry',
    summary: 'forget the password for a registry',
    load: async () => (await import('./logout.ts')).logout,
  },
  {
    name: 'ls',
    group: 'files',
    summary: 'list a directory of an image or a commit, without mounting',
    load: async () => (await import('./ls.ts')).ls,
  },
  {
    name: 'tree',
    group: 'files',
    summary: 'draw the tree of an image or a commit',
    load: async () => (await import('./tree.ts')).tree,
  },
  {
    name: 'cat',
    group: 'files',
    summary: 'print files',
    load: async () => (await import('./cat.ts')).cat,
  },
  {
    name: 'stat',
    group: 'files',
    summary: 'show everything known of a file',
    load: async () => (await import('./stat.ts')).stat,
  },
  {
    name: 'find',
    group: 'files',
    summary: 'find files by name, type, size',
    load: async () => (await import('./find.ts')).find,
  },
  {
    name: 'cp',
    group: 'files',
    summary: 'copy a file or directory out of an image or a commit',
    load: async () => (await import('./cp.ts')).cp,
  },
  {
    name: 'diff',
    group: 'files',
    summary: 'compare the files of two images or commits',
    load: async () => (await import('./diff.ts')).diff,
  },
  {
    name: 'mount',
    group: 'files',
    summary: 'mount an image or a commit (root): EROFS for the tree, overlay for the files',
    load: async () => (await import('./mount.ts')).mount,
  },
  {
    name: 'umount',
    group: 'files',
    summary: 'unmount an image',
    load: async () => (await import('./umount.ts')).umount,
  },
  {
    name: 'image dump',
    group: 'image',
    summary: 'print the tree of an image or a commit as a composefs dumpfile',
    load: async () => (await import('./image-dump.ts')).imageDump,
  },
  {
    name: 'image id',
    group: 'image',
    summary: 'compute the id of the EROFS image of an image or a commit',
    load: async () => (await import('./image-id.ts')).imageId,
  },
  {
    name: 'image create',
    group: 'image',
    summary: 'make the EROFS image of a stored image or commit where it is missing',
    load: async () => (await import('./image-create.ts')).imageCreate,
  },
  {
    name: 'ostree pull',
    group: 'ostree',
    summary: 'pull commits, with every option of OSTree',
    load: async () => (await import('./ostree-pull.ts')).ostreePull,
  },
  {
    name: 'ostree list-refs',
    group: 'ostree',
    summary: 'list the refs of a remote by its URL, or of a repository on this host by its path',
    load: async () => (await import('./ostree-list-refs.ts')).ostreeListRefs,
  },
  {
    name: 'ostree show',
    group: 'ostree',
    summary: 'show one commit',
    load: async () => (await import('./ostree-show.ts')).ostreeShow,
  },
  {
    name: 'ostree commit',
    group: 'ostree',
    summary: 'make a commit of an image, directories, tars and commits',
    load: async () => (await import('./ostree-commit.ts')).ostreeCommit,
  },
  {
    name: 'ostree export',
    group: 'ostree',
    summary: 'write a commit to an OSTree repository, contents by reflink',
    load: async () => (await import('./ostree-export.ts')).ostreeExport,
  },
  {
    name: 'ostree apply-delta',
    group: 'ostree',
    summary: 'apply a static delta from a file or directory',
    load: async () => (await import('./ostree-apply-delta.ts')).ostreeApplyDelta,
  },
  {
    name: 'init',
    group: 'repository',
    summary: 'create a repository, or verify that an existing one matches these options',
    load: async () => (await import('./init.ts')).init,
  },
  {
    name: 'gc',
    group: 'repository',
    summary: 'remove objects that no image or ref uses',
    load: async () => (await import('./gc.ts')).gc,
  },
  {
    name: 'fsck',
    group: 'repository',
    summary:
      'check objects, streams, images and names, or images and commits alone; exit 3 with findings',
    load: async () => (await import('./fsck.ts')).fsck,
  },
  {
    name: 'inspect-format',
    group: 'repository',
    summary: 'print what a file of any known format says, as JSON, and what is wrong with it',
    load: async () => (await import('./inspect-format.ts')).inspectFormat,
  },
  {
    name: 'doctor',
    group: 'repository',
    summary: 'report supported features of this host, and how to enable the rest',
    load: async () => (await import('./doctor.ts')).doctor,
  },
];
