import type { ObjectReaderSeed } from '#stores/composefs';
import type { PartialPlan } from '../plan.ts';
import { DirectTarHash, type TarHash } from './tar-hash.ts';
import { TarHashThread } from './tar-hash-thread.ts';

/** Local content that is worth a thread, in bytes or files: starting one costs about as much as reading so many. */
const THREAD_BYTES_MIN = 32 * 2 ** 20;
const THREAD_FILES_MIN = 2000;

/** What decides who hashes. */
export interface TarHashTerms {
  readonly plan: Pick<PartialPlan<unknown>, 'files' | 'content'>;
  readonly placed?: { readonly seed: ObjectReaderSeed } | undefined;
}

/** Opens the hash of a layer. The caller disposes it. */
export function openTarHash({ plan, placed }: TarHashTerms): TarHash {
  const { files, content } = plan;
  const isWorthThread = content.local >= THREAD_BYTES_MIN || files.length >= THREAD_FILES_MIN;
  return placed !== undefined && isWorthThread
    ? new TarHashThread(placed.seed)
    : new DirectTarHash(placed?.seed);
}
