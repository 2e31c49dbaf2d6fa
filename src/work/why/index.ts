/**
 * Why something is kept: the chains of references from the roots of a store to an object, a stream, an image, a layer, a commit or a file.
 *
 *     id, name, path ─▶ wanted ─▶ search of each store ─▶ graph of references ─▶ chains: root → … → thing
 */
export { type Chain, STEP_KINDS, type Step, type StepKind } from './graph.ts';
export { type Explained, type Explanation, explain, type Unseen, type WhyQuestion } from './why.ts';
