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
export { atOnce, drained, gather, inTurns, STEP_ITEMS, type Steps, turnTaker } from './turns.ts';
export { type Expected, verified, verifyDigest, verifySize } from './verified.ts';
