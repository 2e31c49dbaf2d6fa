/** File in an image that names its policy. Source: libselinux selinux_config. */
export const CONFIG_PATH = 'etc/selinux/config';

/**
 * The text files of a policy that assign labels, below `contexts/files`; the compiled `.bin` files beside them are equivalent and never read.
 * Source: libselinux selinux_config.c, label_file.c; composefs-rs 0.9 selabel.rs.
 */
export const POLICY_FILES = {
  main: 'file_contexts',
  local: 'file_contexts.local',
  homedirs: 'file_contexts.homedirs',
  subs: 'file_contexts.subs',
  subsDist: 'file_contexts.subs_dist',
} as const;

/** Letters of the inode types that a rule can be limited to, as `ls -l` prints them. */
export const INODE_TYPES = ['-', 'd', 'l', 'c', 'b', 'p', 's'] as const;

/** In place of a label: matching inodes have no label. */
export const NO_LABEL = '<<none>>';

/** Maximum size of a text file of a policy, in bytes. Fedora's largest has 400 KB. */
export const POLICY_FILE_MAX_BYTES = 8 * 1024 * 1024;
/** Maximum length of a pattern, in bytes: the longest path in Linux. */
export const PATTERN_MAX_BYTES = 4096;
/**
 * Maximum weight of the patterns that need an automaton: their bytes, multiplied by the counts of counted repeats. Compiling this weight takes
 * about half a second; Debian's patterns weigh 30,000.
 */
export const PATTERNS_MAX_WEIGHT = 128 * 1024;

/** The folder with the text files of a policy, below the root of an image. */
export function policyFolder(policy: string): string {
  return `etc/selinux/${policy}/contexts/files`;
}
