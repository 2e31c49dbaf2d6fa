import type { CommandSpec, OperandSpec, OptionSpec } from '../arguments/spec.ts';
import { BOOTABLE, MOUNT_OPTIONS, VARLINK, XATTRS } from '../repository/commands.ts';
import type { Handler } from '../setting.ts';
import { refuseAfterAt, refuseDigest } from './values.ts';

const JSON_FLAG: OptionSpec = { name: 'json', summary: 'Print JSON' };
const CONFIG: readonly OperandSpec[] = [
  { name: 'CONFIG_NAME', completes: 'oci', refuse: refuseAfterAt },
  { name: 'CONFIG_VERITY', isOptional: true },
];
const IMAGE: readonly OperandSpec[] = [{ name: 'IMAGE', refuse: refuseAfterAt }];

/** Commands on OCI images. Source: oci-and-cli section 1.4. */
export const ociCommands: readonly CommandSpec<Handler>[] = [
  {
    name: 'import-layer',
    summary: 'Store the tar on standard input as the layer with this diff id',
    operands: [
      { name: 'DIGEST', refuse: refuseDigest },
      { name: 'NAME', isOptional: true },
    ],
    load: async () => (await import('./layers.ts')).importLayer,
  },
  {
    name: 'dump',
    summary: 'Print the dumpfile of an image',
    operands: CONFIG,
    options: [BOOTABLE, XATTRS],
    load: async () => (await import('./trees.ts')).dump,
  },
  {
    name: 'pull',
    summary: 'Pull an image into the repository',
    operands: [{ name: 'IMAGE' }, { name: 'NAME', isOptional: true }],
    options: [
      { ...BOOTABLE, summary: 'Make the bootable image, too' },
      {
        name: 'expected-digest',
        value: 'EXPECTED_DIGEST',
        requires: ['bootable'],
        summary: 'Find the way of making the bootable image that gives this id',
      },
      {
        name: 'local-fetch',
        value: 'LOCAL_FETCH',
        choices: ['disabled', 'auto', 'zerocopy'],
        summary:
          "How files of podman's store become objects: copied, shared if possible, or shared",
      },
    ],
    load: async () => (await import('./pull.ts')).pull,
  },
  {
    name: 'copy',
    summary: 'Copy an image from another repository',
    operands: IMAGE,
    options: [
      {
        name: 'from',
        value: 'FROM',
        completes: 'directory',
        isRequired: true,
        summary: 'Directory of the other repository',
      },
      { name: 'name', value: 'NAME', summary: 'Tag to give the image here' },
      { name: 'zerocopy', summary: 'Share the objects, or fail' },
    ],
    load: async () => (await import('./copy.ts')).copy,
  },
  {
    name: 'images',
    summary: 'List the images that have a tag',
    options: [JSON_FLAG],
    load: async () => (await import('./look.ts')).images,
  },
  {
    name: 'inspect',
    summary: 'Print what an image says of itself, as JSON',
    operands: [{ name: 'IMAGE', completes: 'oci', refuse: refuseAfterAt }],
    options: [
      { name: 'manifest', excludes: ['config'], summary: 'Print only the stored manifest' },
      { name: 'config', summary: 'Print only the stored config' },
    ],
    load: async () => (await import('./look.ts')).inspect,
  },
  {
    name: 'linked-erofs-images',
    summary: 'List the EROFS images of the OCI image that an EROFS image belongs to',
    operands: [{ name: 'EROFS_IMAGE' }],
    load: async () => (await import('./look.ts')).linkedErofsImages,
  },
  {
    name: 'tag',
    summary: 'Give an image a tag',
    operands: [
      { name: 'MANIFEST_DIGEST', refuse: refuseDigest, completes: 'oci-digest' },
      { name: 'NAME' },
    ],
    load: async () => (await import('./look.ts')).tag,
  },
  {
    name: 'untag',
    summary: 'Remove a tag',
    operands: [{ name: 'NAME', completes: 'oci-tag' }],
    load: async () => (await import('./look.ts')).untag,
  },
  {
    name: 'layer',
    summary: 'Print a layer: its tar, its members as dumpfile lines, or facts as JSON',
    operands: [{ name: 'LAYER', refuse: refuseDigest }],
    options: [{ name: 'dumpfile', excludes: ['json'], summary: 'Print its members' }, JSON_FLAG],
    load: async () => (await import('./layers.ts')).layer,
  },
  {
    name: 'mount',
    summary: 'Mount an image',
    operands: [
      { name: 'IMAGE', completes: 'oci' },
      { name: 'MOUNTPOINT', completes: 'path' },
    ],
    options: [BOOTABLE, ...MOUNT_OPTIONS],
    load: async () => (await import('./trees.ts')).mount,
  },
  {
    name: 'compute-id',
    summary: 'Print the id of the EROFS image of an image',
    operands: CONFIG,
    options: [BOOTABLE, XATTRS],
    load: async () => (await import('./trees.ts')).computeId,
  },
  {
    name: 'prepare-boot',
    summary: 'Write a boot entry for an image into a boot partition',
    operands: CONFIG,
    options: [
      {
        name: 'bootdir',
        value: 'BOOTDIR',
        completes: 'directory',
        summary: 'The boot partition; /boot when absent',
      },
      { name: 'entry-id', value: 'ENTRY_ID', summary: 'Name of the entry' },
      {
        name: 'cmdline',
        value: 'CMDLINE',
        isRepeatable: true,
        summary: 'Argument to add for the kernel',
      },
    ],
    load: async () => (await import('./boot.ts')).prepare,
  },
  {
    name: 'fsck',
    summary: 'Check the repository and its images',
    operands: [{ name: 'IMAGE', isOptional: true, completes: 'oci-tag' }],
    options: [JSON_FLAG],
    load: async () => (await import('./fsck.ts')).fsck,
  },
  VARLINK,
];
