import { type CapabilityName, Dir, probeHost } from '#host';

/** One capability of a directory, with its purpose and, if it is missing, the reason and the fix. */
export interface Examined {
  readonly name: CapabilityName;
  readonly available: boolean;
  /** What the capability enables or improves. */
  readonly purpose: string;
  /** Reason why it is missing; empty if it is present. */
  readonly reason: string;
  /** How to get it; empty if it is present. */
  readonly fix: string;
}

/** Capabilities of a host for a store in one directory. */
export interface Examination {
  readonly path: string;
  readonly capabilities: readonly Examined[];
}

const ADVICE: Readonly<Record<CapabilityName, readonly [purpose: string, fix: string]>> = {
  tmpfile: [
    'temporary files that the kernel removes when a process is killed',
    'use XFS, btrfs, ext4 or tmpfs; on others, interrupted runs leave temporary files, which gc removes',
  ],
  reflink: [
    'disk blocks shared with other stores',
    'use btrfs, or XFS created with -m reflink=1; on ext4, files are copied',
  ],
  'verity-sha256': [
    'reads of a SHA-256 repository verified by the kernel',
    'use a kernel with CONFIG_FS_VERITY, and ext4 (tune2fs -O verity), btrfs, or a recent XFS',
  ],
  'verity-sha512': [
    'reads of a SHA-512 repository verified by the kernel',
    'use a kernel with CONFIG_FS_VERITY, and ext4 (tune2fs -O verity), btrfs, or a recent XFS',
  ],
  'xattr-user': ['extended attributes of exported trees', 'mount the filesystem with user_xattr'],
  'xattr-trusted': ['trusted attributes of exported trees', 'run as root'],
  root: [
    'mounts, owners and device nodes',
    'run with sudo; pull, ls, cat, cp and fsck need no root',
  ],
  'initial-user-namespace': ['mounts with EROFS', 'run outside of the container'],
  'user-namespaces': [
    'root privileges inside a user namespace',
    'set sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone',
  ],
  'mount-api': ['mounts', 'run as root on Linux 5.2 or later'],
  erofs: ['mounts', 'run modprobe erofs as root'],
  overlay: ['mounts', 'run modprobe overlay as root'],
  'overlay-lower-by-fd': [
    'mounts without a temporary directory',
    'use Linux 6.15 or later (optional)',
  ],
  loop: [
    'mounts on kernels before 6.12',
    'run modprobe loop as root; later kernels do not need it',
  ],
  'hash-lanes': [
    'faster pull and fsck: several blocks are hashed at once',
    'install libipsec-mb1 (Debian 12), libipsec-mb2 (Debian 13) or intel-ipsec-mb (Fedora); optional',
  ],
  'fast-inflate': [
    'faster pulls of gzip layers and of commits',
    'install libisal2 (Debian) or isa-l (Fedora); optional',
  ],
};

/**
 * Probes the capabilities of this host for a store in each directory, with unnamed files; leaves nothing behind.
 * @throws HostError SYSCALL_FAILED if a directory cannot be opened
 */
export function examineHost(paths: readonly string[]): Examination[] {
  return paths.map((path) => {
    using directory = Dir.open(path);
    const capabilities = [...probeHost(directory).values()].map(({ name, available, detail }) => {
      const [purpose, fix] = ADVICE[name];
      return { name, available, purpose, reason: detail, fix: available ? '' : fix };
    });
    return { path, capabilities };
  });
}
