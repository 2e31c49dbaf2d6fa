import { availableParallelism } from 'node:os';

/** Most writer threads: beyond, the one thread that splits is the limit. */
const JOBS_MAX = 16;

/** Threads that write, and layers at once. */
export function jobsOf({ jobs }: { readonly jobs?: number | undefined }): number {
  return Math.max(1, Math.min(jobs ?? availableParallelism(), JOBS_MAX));
}
