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
    'The mode is what onecopy unified enable sets. With "enabled", images are in three stores, and copies are forbidden; "enabled-with-copy" allows copies where extents cannot be shared. With "bound-only", commits are made from composefs, and containers-storage has no images. With "disabled", each store is filled on its own.',
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
    'Pulls, changes of the mode, repairs and prunes are written into the journal: through the socket of journald for root (ONECOPY_JOURNAL_SOCKET names another one), and into the file that ONECOPY_JOURNAL_FILE names, in the export format of the journal. A missing journal fails nothing.',
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

/** `unified fsck` on a command line. */
export const unifiedFsck: Grammar = {
  finding: 'the stores do not agree',
  options: [
    { flags: '--repair', says: 'rebuild what one store lost from the others', key: 'repair' },
    {
      flags: '--extents',
      says: 'also compare where the bytes of files lie on the device',
      key: 'extents',
    },
    {
      flags: '--metadata-only',
      says: 'do not read the contents of files',
      key: 'metadataOnly',
    },
  ],
  help: [
    'Every image of the system is checked in each store: its tag, manifest, config, layers and objects; the same manifest, config and layers in containers-storage; and its commit with everything that the commit reaches. Findings about images that only an old deployment uses are printed, and do not count.',
    'A repair restores an image that one store lost, by reflink, with the manifest that the image was pulled with. Damaged objects of the composefs repository are reported, but not repaired: use onecopy fsck --repair --from with the source of the image. With --dry-run nothing is changed.',
  ].join('\n\n'),
};

/** `unified prune` on a command line. */
export const unifiedPrune: Grammar = {
  options: [
    {
      flags: '--keep <image>',
      says: 'keep this image, too: an image reference, a name or a manifest digest',
      key: 'keep',
      take: 'texts',
    },
  ],
  help: [
    'An image stays as long as a deployment was made from it, or with --keep. Of others, the name in containers-storage, the ref, the commit and the tag are removed, and then the layers and objects that only these used. Layers of other images, other names of the image, tags of others and images that deployments are bound to stay.',
    'The report lists what each store keeps, and for what.',
  ].join('\n\n'),
};

/** `unified relabel` on a command line. */
export const unifiedRelabel: Grammar = {
  options: [
    {
      flags: '--policy-root <dir>',
      says: 'use the policy in this root (default: the newest deployment)',
      key: 'policyRoot',
      take: 'path',
    },
  ],
  finding: 'no SELinux policy was found',
  help: 'The last step of an installation: files that the system wrote without a label get the label that the policy has for the place where a booted host shows them. The stores are labelled like /usr, containers-storage like /var/lib/containers/storage. Labels that exist stay. Deployments are skipped, because their files have the labels of their commits and their roots are immutable; so are objects of commits, and other filesystems.',
};
