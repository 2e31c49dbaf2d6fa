/**
 * SELinux labels of a tree, by the policy that the tree itself holds.
 */

export { labelTree, TYPE_LETTERS } from './label.ts';
export {
  loadPolicy,
  type PolicyFiles,
  type PolicyPlace,
  readPolicy,
  type TreeContents,
} from './policy.ts';
