/**
 * SELinux labels from the texts of a policy, as images bring it in `etc/selinux`.
 *
 *     etc/selinux/config ── SELINUXTYPE=NAME ──▶ etc/selinux/NAME/contexts/files/
 *                                                  file_contexts{,.local,.homedirs}     rules: pattern, type, label
 *                                                  file_contexts.{subs,subs_dist}       aliases of paths
 *
 * Two orders of precedence: that of composefs-rs, which decides ids, and that of libselinux, which is right.
 */
export { createLabeler, type Labeler, type Precedence, ROOT_NAME } from './labels.ts';
export { CONFIG_PATH, POLICY_FILE_MAX_BYTES, POLICY_FILES, policyFolder } from './layout.ts';
export { type InodeType, type PolicyTexts, parsePolicyName } from './rules.ts';
