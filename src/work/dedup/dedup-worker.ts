import { serveWorker } from '#host';
import { type DedupReport, type DedupRequest, shareEqualFiles } from './share.ts';

/** The thread that hashes and shares files: every call of it blocks. */
serveWorker<DedupRequest, never, number, DedupReport>(shareEqualFiles);
