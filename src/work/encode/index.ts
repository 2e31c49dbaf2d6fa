/** EROFS images of trees: in memory, stored, or only their ids. */
export {
  type EncodedTree,
  encodeTree,
  identifyTree,
  identifyTreeInSteps,
  publishTree,
} from './encode.ts';
