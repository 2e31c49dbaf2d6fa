import { PLATFORM } from './files.ts';
import type { Grammar } from './grammar.ts';
import { POLICY } from './policy.ts';
import { REGISTRY } from './registry.ts';

const STORES =
  'The stores are ostree/bootc/storage (containers-storage), composefs (the repository) and ostree/repo, all below --sysroot and on one filesystem.';

/** `unified status` on a command line. */
export const unifiedStatus: Grammar = {
  help: [
    STORES,
    'The mode is that of composefs/bootc.json: "enabled" forbids copies, "enabled-with-copy" allows them where extents cannot be shared. A host is bound if its commits are made from composefs, and unified if its images are also in containers-storage.',
    'A deployment is "next" if it starts by default, and "staged" if it has no boot entry yet.',
  ].join('\n\n'),
};

/** `unified enable` on a command line. */
export const unifiedEnable: Grammar = {
  options: [
    {
      flags: '--mode <mode>',
      says: 'enabled forbids copies, enabled-with-copy allows them, bound-only keeps no images for podman, disabled ends it (default: enabled)',
      key: 'mode',
      values: ['enabled', 'enabled-with-copy', 'bound-only', 'disabled'],
    },
    ...POLICY,
    ...REGISTRY,
  ],
  help: [
    'The images of deployments that run or will run are brought into containers-storage and the composefs repository first; the mode is set last. Deployed commits stay as they are: the next pull of their image replaces those that were not made from composefs.',
    'The mode "enabled" is refused before anything is written if the filesystem cannot share extents among the stores.',
  ].join('\n\n'),
};

/** `unified pull` on a command line. */
export const unifiedPull: Grammar = {
  operands: [
    { usage: '<reference>', says: 'source of the image', key: 'reference', completes: 'files' },
  ],
  options: [
    {
      flags: '--target <reference>',
      says: 'the reference that the system knows the image by (default: the source)',
      key: 'target',
    },
    {
      flags: '--mode <mode>',
      says: 'set this mode when the image is in all stores: enabled, enabled-with-copy or bound-only',
      key: 'mode',
      values: ['enabled', 'enabled-with-copy', 'bound-only'],
    },
    {
      flags: '--auto',
      says: 'choose the route by what the filesystem can do, not by the mode',
      key: 'auto',
    },
    PLATFORM,
    ...POLICY,
    ...REGISTRY,
  ],
  help: [
    'The image comes into the composefs repository first: layers that containers-storage has are taken from there by reflink, others from the source. From there its files come by reflink into containers-storage and into a commit of the OSTree repository. What a store has is not written again.',
    'The mode decides which stores are filled, and whether files may be copied where extents cannot be shared; a pull does not change it, unless --mode is given. In a new sysroot, the key "unified" in [install.storage] of the install configuration of the image sets it.',
    'On a host without unified storage, the commit is made from the layers as a classic importer does.',
  ].join('\n\n'),
};

/** `unified images` on a command line. */
export const unifiedImages: Grammar = {
  help: [
    'Images are those that are tagged for the system in the composefs repository, that have a ref in the OSTree repository, or that are deployed. Stores are compared by the digest of the config.',
    'TYPE is "unified" for an image in all stores, "bound" for one that is not kept in containers-storage, "host" for one that is only deployed, and "partial" for one that a store lacks.',
  ].join('\n\n'),
};

/** `unified sync` on a command line. */
export const unifiedSync: Grammar = {
  finding: 'an image could not be restored',
  help: 'Images come from the composefs repository by reflink, with the manifest that they were pulled with and the name of their reference. On a host whose images are not kept in containers-storage there is nothing to do.',
};
