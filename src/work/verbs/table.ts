import type { Verb } from './verb.ts';

/** Headings under which verbs are listed, in order. */
export const VERB_GROUPS = {
  move: 'Pull and export',
  names: 'Names',
  registry: 'Registries',
  files: 'Files',
  image: 'EROFS images',
  ostree: 'OSTree',
  unified: 'Unified storage',
  repository: 'Repository and host',
} as const;

/** The part of a verb that is known without loading its code: enough for help, completion and lists. */
export interface VerbRow {
  /** One word, or a group and a word, for example `image dump`. */
  readonly name: string;
  readonly group: keyof typeof VERB_GROUPS;
  /** An imperative phrase without a full stop. */
  readonly summary: string;
  /** Loads the code. */
  readonly load: () => Promise<Verb>;
}

/** All verbs, in the order of the help page. A verb that is not built is absent. */
export const VERBS: readonly VerbRow[] = [
  {
    name: 'pull',
    group: 'move',
    summary: 'pull an image or an OSTree commit into the repository',
    load: async () => (await import('./pull.ts')).pull,
  },
  {
    name: 'export',
    group: 'move',
    summary: 'write an image or a commit to another store, or its files to a directory',
    load: async () => (await import('./export.ts')).exportVerb,
  },
  {
    name: 'push',
    group: 'move',
    summary: 'send an image into a registry',
    load: async () => (await import('./push.ts')).push,
  },
  {
    name: 'copy',
    group: 'move',
    summary: 'copy an image between registries, layouts and archives',
    load: async () => (await import('./copy.ts')).copy,
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
    summary: 'show the manifest and config of an image, or the object of a commit',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  {
    name: 'history',
    group: 'names',
    summary: 'show the build steps of an image, or the ancestors of a commit',
    load: async () => (await import('./history.ts')).history,
  },
  {
    name: 'tag',
    group: 'names',
    summary: 'add a name to an image or a commit',
    load: async () => (await import('./tag.ts')).tag,
  },
  {
    name: 'untag',
    group: 'names',
    summary: 'remove names; gc then removes unused objects',
    load: async () => (await import('./untag.ts')).untag,
  },
  {
    name: 'rm',
    group: 'names',
    summary: 'remove images and commits',
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
    summary: 'list the signatures and other attachments of an image in a registry',
    load: async () => (await import('./referrers.ts')).referrers,
  },
  {
    name: 'login',
    group: 'registry',
    summary: 'store credentials for a registry',
    load: async () => (await import('./login.ts')).login,
  },
  {
    name: 'logout',
    group: 'registry',
    summary: 'remove the credentials for a registry',
    load: async () => (await import('./logout.ts')).logout,
  },
  {
    name: 'ls',
    group: 'files',
    summary: 'list a directory of an image or a commit',
    load: async () => (await import('./ls.ts')).ls,
  },
  {
    name: 'tree',
    group: 'files',
    summary: 'print the file tree of an image or a commit',
    load: async () => (await import('./tree.ts')).tree,
  },
  {
    name: 'cat',
    group: 'files',
    summary: 'print the contents of files',
    load: async () => (await import('./cat.ts')).cat,
  },
  {
    name: 'stat',
    group: 'files',
    summary: 'show the metadata of files',
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
    summary: 'copy a file or a directory out of an image or a commit',
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
    summary: 'mount an image or a commit',
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
    summary: 'compute the id of an EROFS image',
    load: async () => (await import('./image-id.ts')).imageId,
  },
  {
    name: 'image create',
    group: 'image',
    summary: 'create the EROFS image of an image or a commit',
    load: async () => (await import('./image-create.ts')).imageCreate,
  },
  {
    name: 'ostree pull',
    group: 'ostree',
    summary: 'pull OSTree commits, with all options',
    load: async () => (await import('./ostree-pull.ts')).ostreePull,
  },
  {
    name: 'ostree list-refs',
    group: 'ostree',
    summary: 'list the refs of an OSTree remote or repository',
    load: async () => (await import('./ostree-list-refs.ts')).ostreeListRefs,
  },
  {
    name: 'ostree show',
    group: 'ostree',
    summary: 'show a commit object',
    load: async () => (await import('./ostree-show.ts')).ostreeShow,
  },
  {
    name: 'ostree commit',
    group: 'ostree',
    summary: 'create a commit from images, directories, tar archives and commits',
    load: async () => (await import('./ostree-commit.ts')).ostreeCommit,
  },
  {
    name: 'ostree export',
    group: 'ostree',
    summary: 'write a commit to an OSTree repository',
    load: async () => (await import('./ostree-export.ts')).ostreeExport,
  },
  {
    name: 'ostree apply-delta',
    group: 'ostree',
    summary: 'apply a static delta',
    load: async () => (await import('./ostree-apply-delta.ts')).ostreeApplyDelta,
  },
  {
    name: 'unified status',
    group: 'unified',
    summary: 'show the mode, the stores and the deployments of a system',
    load: async () => (await import('./unified/status.ts')).unifiedStatus,
  },
  {
    name: 'unified enable',
    group: 'unified',
    summary: 'set how images of the system are stored',
    load: async () => (await import('./unified/enable.ts')).unifiedEnable,
  },
  {
    name: 'unified pull',
    group: 'unified',
    summary: 'pull an image of the system into all of its stores',
    load: async () => (await import('./unified/pull.ts')).unifiedPullVerb,
  },
  {
    name: 'unified images',
    group: 'unified',
    summary: 'list the images of the system, and what each store has of them',
    load: async () => (await import('./unified/images.ts')).unifiedImages,
  },
  {
    name: 'unified fsck',
    group: 'unified',
    summary: 'check that the stores of a system agree, and rebuild what one of them lost',
    load: async () => (await import('./unified/fsck.ts')).unifiedFsck,
  },
  {
    name: 'unified sync',
    group: 'unified',
    summary: 'restore images that containers-storage has lost',
    load: async () => (await import('./unified/sync.ts')).unifiedSync,
  },
  {
    name: 'unified prune',
    group: 'unified',
    summary: 'remove images of a system that no deployment needs',
    load: async () => (await import('./unified/prune.ts')).unifiedPrune,
  },
  {
    name: 'unified relabel',
    group: 'unified',
    summary: 'set SELinux labels on everything in a system that has none, but not in deployments',
    load: async () => (await import('./unified/relabel.ts')).unifiedRelabel,
  },
  {
    name: 'init',
    group: 'repository',
    summary: 'create a repository, or verify that an existing one matches these options',
    load: async () => (await import('./init.ts')).init,
  },
  {
    name: 'df',
    group: 'repository',
    summary: 'report the disk usage of images and stores, and what they share',
    load: async () => (await import('./df.ts')).df,
  },
  {
    name: 'why',
    group: 'repository',
    summary: 'show which names keep an object, a layer, an image or a file',
    load: async () => (await import('./why.ts')).why,
  },
  {
    name: 'dedup',
    group: 'repository',
    summary: 'share the blocks of equal files of stores',
    load: async () => (await import('./dedup.ts')).dedup,
  },
  {
    name: 'adopt',
    group: 'repository',
    summary: 'take over the images of another store, and share its files',
    load: async () => (await import('./adopt.ts')).adopt,
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
    summary: 'verify objects, streams, images and refs',
    load: async () => (await import('./fsck.ts')).fsck,
  },
  {
    name: 'inspect-format',
    group: 'repository',
    summary: 'decode and verify a file of any supported format',
    load: async () => (await import('./inspect-format.ts')).inspectFormat,
  },
  {
    name: 'doctor',
    group: 'repository',
    summary: 'report supported features, and how to enable the rest',
    load: async () => (await import('./doctor.ts')).doctor,
  },
];
