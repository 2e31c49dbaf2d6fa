/**
 * SELinux labels of a tree, by the policy that the tree itself holds.
 */

export { labelTree, TYPE_LETTERS } from './label.ts';
export { type PolicyPlace, readPolicy, type TreeContents } from './policy.ts';
