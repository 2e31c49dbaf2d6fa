/**
 * Layers between programs, as splitdirfdstreams: a stream with names of files, beside descriptors of the directories that the names are relative
 * to. So contents can be shared by reflink. The receiver verifies the diff id.
 *
 *     composefs repository, containers-storage ─▶ LayerToServe (directory, stream) ─▶ another program
 *     another program ─▶ stream, directories ─▶ putLayer ─▶ layer of this repository
 */

export { type HandedOut, handOut } from './hand-out.ts';
export { type LayerToPut, type PutCounts, type PutLayer, putLayer } from './put.ts';
export {
  type LayerToServe,
  openRepositoryLayer,
  openStorageLayer,
  type StorageLayerOptions,
} from './serve.ts';
