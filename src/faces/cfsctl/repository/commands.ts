import type { CommandSpec, OperandSpec, OptionSpec } from '../arguments/spec.ts';
import type { Handler } from '../setting.ts';
import { refuseAlgorithm, refuseXattrMode } from './values.ts';

/** Which extended attributes of a tree stay. */
export const XATTRS: OptionSpec = {
  name: 'xattrs',
  value: 'XATTRS',
  refuse: refuseXattrMode,
  summary: 'Extended attributes to keep: allowlist-only (default) or keep-user-xattrs',
};
const NO_PROPAGATE: OptionSpec = {
  name: 'no-propagate-usr-to-root',
  summary: 'Take the directory as it is: keep the metadata of its root, /run and all xattrs',
};
/** The tree of a bootable image. */
export const BOOTABLE: OptionSpec = {
  name: 'bootable',
  summary: 'Empty /boot and /sysroot, and label the files by the SELinux policy of the tree',
};
const TREE_OPTIONS = [BOOTABLE, NO_PROPAGATE, XATTRS];

/** Options of every command that mounts. */
export const MOUNT_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'fuse',
    value: 'FUSE',
    choices: ['auto', 'yes', 'no'],
    summary: 'Mount by FUSE instead of the kernel',
  },
  { name: 'foreground', summary: 'Serve a FUSE mount in the foreground' },
  {
    name: 'upperdir',
    value: 'UPPERDIR',
    completes: 'directory',
    requires: ['workdir'],
    summary: 'Writable layer above',
  },
  {
    name: 'workdir',
    value: 'WORKDIR',
    completes: 'directory',
    requires: ['upperdir'],
    summary: "Work directory of overlayfs, on the upper layer's filesystem",
  },
  {
    name: 'read-write',
    requires: ['upperdir', 'workdir'],
    summary: 'Mount the writable layer read-write',
  },
];

const PATH: readonly OperandSpec[] = [{ name: 'PATH', completes: 'directory' }];

/** The service; `oci varlink` is the same. */
export const VARLINK: CommandSpec<Handler> = {
  name: 'varlink',
  summary: 'Serve the repository and its images over varlink',
  options: [
    { name: 'address', value: 'ADDRESS', completes: 'path', summary: 'Path of the socket to make' },
  ],
  load: async () => (await import('../varlink/command.ts')).varlink,
};

/** Commands on the repository as such. Source: oci-and-cli section 1.3. */
export const repositoryCommands: readonly CommandSpec<Handler>[] = [
  {
    name: 'init',
    summary: 'Create a repository',
    operands: [{ name: 'PATH', isOptional: true, completes: 'directory' }],
    options: [
      {
        name: 'algorithm',
        value: 'ALGORITHM',
        refuse: refuseAlgorithm,
        summary: 'fsverity-sha256-12 or fsverity-sha512-12 (default)',
      },
      { name: 'insecure', summary: 'Do not demand fs-verity' },
      {
        name: 'reset-metadata',
        summary: 'Forget all streams, images and meta.json of an existing repository first',
      },
      { name: 'ensure', summary: 'Accept an existing repository whose configuration differs' },
      {
        name: 'erofs-version',
        value: 'EROFS_VERSION',
        choices: ['0', '1', '2'],
        summary: 'Version of the images that the repository makes',
      },
    ],
    load: async () => (await import('./init.ts')).init,
  },
  {
    name: 'transaction',
    summary: 'Hold the shared lock, which keeps garbage collection out, until ended',
    load: async () => (await import('./maintain.ts')).transaction,
  },
  {
    name: 'cat',
    summary: 'Print what a stream stands for',
    operands: [{ name: 'NAME', completes: 'stream' }],
    load: async () => (await import('./look.ts')).cat,
  },
  {
    name: 'gc',
    summary: 'Remove objects that nothing uses',
    options: [
      {
        name: 'root',
        short: 'r',
        value: 'ROOT',
        isRepeatable: true,
        summary: 'Keep this stream or image, too',
      },
      { name: 'dry-run', short: 'n', summary: 'Only say what would be removed' },
    ],
    load: async () => (await import('./maintain.ts')).gc,
  },
  {
    name: 'import-image',
    summary: 'Store the image on standard input under a name',
    operands: [{ name: 'REFERENCE' }],
    load: async () => (await import('./make.ts')).importImage,
  },
  {
    name: 'images',
    aliases: ['list-images'],
    summary: 'List the images that have a name',
    options: [
      { name: 'json', summary: 'Print JSON' },
      { name: 'no-trunc', summary: 'Print whole digests' },
    ],
    load: async () => (await import('./look.ts')).images,
  },
  {
    name: 'mount',
    summary: 'Mount an image',
    operands: [
      { name: 'NAME', completes: 'image' },
      { name: 'MOUNTPOINT', completes: 'path' },
    ],
    options: MOUNT_OPTIONS,
    load: async () => (await import('./mount.ts')).mount,
  },
  {
    name: 'create-image',
    summary: 'Store a directory: its files, and an image of its tree',
    operands: [...PATH, { name: 'IMAGE_NAME', isOptional: true }],
    options: TREE_OPTIONS,
    load: async () => (await import('./make.ts')).createImage,
  },
  {
    name: 'compute-id',
    summary: 'Print the id that the image of a directory has, storing nothing',
    operands: PATH,
    options: TREE_OPTIONS,
    load: async () => (await import('./make.ts')).computeId,
  },
  {
    name: 'compute-karg',
    summary: 'Print the kernel argument for the bootable image of a directory',
    operands: PATH,
    options: [NO_PROPAGATE],
    load: async () => (await import('./make.ts')).computeKarg,
  },
  {
    name: 'create-dumpfile',
    summary: 'Print the dumpfile of a directory',
    operands: PATH,
    options: TREE_OPTIONS,
    load: async () => (await import('./make.ts')).createDumpfile,
  },
  {
    name: 'image-objects',
    summary: 'List the objects that an image needs',
    operands: [{ name: 'NAME', completes: 'image' }],
    load: async () => (await import('./look.ts')).imageObjects,
  },
  {
    name: 'dump-files',
    summary: 'Print dumpfile lines of files of an image',
    operands: [
      { name: 'IMAGE_NAME', completes: 'image' },
      { name: 'FILES', isRepeatable: true, completes: 'path' },
    ],
    options: [
      { name: 'backing-path-only', summary: 'Print only where the content of each file lies' },
    ],
    load: async () => (await import('./look.ts')).dumpFiles,
  },
  {
    name: 'fsck',
    summary: 'Check the repository',
    options: [
      { name: 'json', summary: 'Print JSON, and exit with 0 whatever was found' },
      { name: 'metadata-only', summary: 'Do not read the contents of objects' },
    ],
    load: async () => (await import('./maintain.ts')).fsck,
  },
  VARLINK,
];
