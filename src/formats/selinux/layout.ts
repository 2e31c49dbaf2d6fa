/** Where an image keeps the name of its policy. Source: libselinux selinux_config. */
export const CONFIG_PATH = 'etc/selinux/config';

/**
 * The texts of a policy that give labels, below `contexts/files`; the compiled `.bin` beside them says the same and is never read.
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

/** Instead of a label: whatever the rule matches has none. */
export const NO_LABEL = '<<none>>';

/** Largest text of a policy that is read, in bytes. Fedora's largest has 400 KB. */
export const POLICY_FILE_MAX_BYTES = 8 * 1024 * 1024;
/** Longest pattern, in bytes: the longest path that Linux takes. */
export const PATTERN_MAX_BYTES = 4096;
/**
 * Most weight of the patterns that need an automaton: bytes, those of a pattern with counted repeats times the counts. Compiling so much
 * takes about half a second; Debian's weigh 30,000.
 */
export const PATTERNS_MAX_WEIGHT = 128 * 1024;

/** The folder with the texts of a policy, below the root of an image. */
export function policyFolder(policy: string): string {
  return `etc/selinux/${policy}/contexts/files`;
}
