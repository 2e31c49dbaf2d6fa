import { resolve } from 'node:path';
import { NAME, NO_OWNERS } from './files.ts';
import type { Grammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';
import { REFLINK } from './pull.ts';
import { FORCE_COMPRESSION, PUSHING, REGISTRY } from './registry.ts';

const OF_OSTREE = 'OSTree options';
const MODES = ['archive', 'bare', 'bare-user', 'bare-user-only', 'bare-split-xattrs'];

/** `export` on a command line. */
export const grammar: Grammar = {
  operands: [
    NAME,
    {
      usage: '<reference>',
      says: 'target: docker://, oci:, oci-archive:, dir:, containers-storage: or ostree-local:, or a directory',
      key: 'target',
      take: (text) => ({ target: targetOf(text) }),
      completes: 'files',
    },
  ],
  options: [
    {
      flags: '--platform <os/arch[/variant]>',
      says: 'of an index that was pulled with --all-platforms, write only this image',
      key: 'platform',
    },
    {
      flags: '--compression <name>',
      says: 'compress layers without a stored blob with this method (default: none, in a registry gzip)',
      key: 'compression',
      values: ['none', 'gzip', 'zstd'],
    },
    FORCE_COMPRESSION,
    { ...NO_OWNERS, says: 'do not restore owners in a plain directory' },
    REFLINK,
    COMPAT,
    {
      flags: '--mode <mode>',
      says: 'mode of an OSTree repository that is created',
      key: 'mode',
      values: MODES,
      heading: OF_OSTREE,
    },
    {
      flags: '--route <name>',
      says: 'how layers become a commit: synthesis merges them (default), classic imports each, auto is classic without reflinks',
      key: 'route',
      values: ['auto', 'synthesis', 'classic'],
      heading: OF_OSTREE,
    },
    {
      flags: '--empty-boot',
      says: 'omit the contents of /boot',
      key: 'emptyBoot',
      heading: OF_OSTREE,
    },
    {
      flags: '--empty-sysroot',
      says: 'omit the contents of /sysroot',
      key: 'emptySysroot',
      heading: OF_OSTREE,
    },
    {
      flags: '--keep-user-xattrs',
      says: 'keep extended attributes of the user namespace',
      key: 'keepUserXattrs',
      heading: OF_OSTREE,
    },
    ...PUSHING.map((option) => ({ ...option, heading: 'Registry options' })),
    ...REGISTRY,
  ],
  help:
    'containers-storage:NAME gives the image to podman, buildah and skopeo of this host; a name without a host gets localhost/.\n' +
    'A target without a transport is a plain directory, which must be new or empty. ostree-local:PATH[:REF] makes a commit of the\n' +
    'image in an OSTree repository. For docker://HOST/NAME[:TAG], export is onecopy push.\n' +
    '--compat applies to directories and OSTree repositories; the other targets get the layers as they are.',
  aliases: [{ name: 'ostree checkout' }],
};

/** A reference unchanged, a plain directory as an absolute path. */
function targetOf(text: string): string {
  return /^[a-z][a-z-]+:/.test(text) ? text : resolve(text);
}
