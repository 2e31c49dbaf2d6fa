/**
 * SELinux labels from the text files of a policy, which images contain in `etc/selinux`.
 *
 *     etc/selinux/config ── SELINUXTYPE=NAME ──▶ etc/selinux/NAME/contexts/files/
 *                                                  file_contexts{,.local,.homedirs}     rules: pattern, type, label
 *                                                  file_contexts.{subs,subs_dist}       aliases of paths
 *
 * Two orders of precedence: the order of composefs-rs, which determines ids, and the order of libselinux, which is correct.
 */
export { createLabeler, type Labeler, type Precedence, ROOT_NAME } from './labels.ts';
export { CONFIG_PATH, POLICY_FILE_MAX_BYTES, POLICY_FILES, policyFolder } from './layout.ts';
export { type InodeType, type PolicyTexts, parsePolicyName } from './rules.ts';
