/**
 * SELinux labels of a tree, from the policy inside the tree.
 */

export { labelTree, TYPE_LETTERS } from './label.ts';
export {
  loadPolicy,
  type PolicyFiles,
  type PolicyPlace,
  readPolicy,
  type TreeContents,
} from './policy.ts';
