/**
 * Finds content that this host already has, by the digest of a file or of a chunk. Results are hints: the reader of a place verifies its content.
 *
 *     files of a TOC ─▶ WantedContents ◀─ offer ─ ContentSource: this repository, other stores
 *                            │                       indexes of layers · kept TOCs · files of the same path or size, hashed
 *                            └─▶ LocalIndex of a plan
 */
export { type Candidate, Candidates } from './candidates.ts';
export { indexNameOf, LayerIndexer } from './indexing/layer-index.ts';
export { type ContentPlace, type PlaceReader, placeOfBytes } from './place.ts';
export { RepositorySource } from './repository-source.ts';
export type { ContentSearch, ContentSource } from './source.ts';
export { type KeptMetadata, TocStore } from './toc-store.ts';
export { type FoundContent, WantedContents } from './wanted.ts';
