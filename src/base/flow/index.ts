/**
 * Flow: bytes that are pulled, verified while they pass, bounded concurrency, and progress events.
 */
export { pool } from './pool.ts';
export type {
  OperationOptions,
  ProgressEvent,
  ProgressListener,
  ProgressUnit,
} from './progress.ts';
export { type RandomReader, readerOf, type Source } from './source.ts';
export { type Expected, verified, verifyDigest, verifySize } from './verified.ts';
