/**
 * Flow: bytes that are pulled, whole blobs and parts of them, verified while they pass, bounded concurrency, and progress events.
 */
export type {
  BlobContent,
  BlobLink,
  BlobPiece,
  BlobPieces,
  BlobRange,
  BlobReadOptions,
  ByteRange,
  RangeAbility,
  RemoteBlob,
  Source,
  Traffic,
} from './blob.ts';
export { pool } from './pool.ts';
export type {
  OperationOptions,
  ProgressEvent,
  ProgressListener,
  ProgressUnit,
} from './progress.ts';
export { type RandomReader, readerOf } from './random-reader.ts';
export { drained, gather } from './turns.ts';
export { type Expected, verified, verifyDigest, verifySize } from './verified.ts';
