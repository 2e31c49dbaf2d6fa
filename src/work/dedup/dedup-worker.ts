import { serveWorker } from '#host';
import { type DedupReport, type DedupRequest, shareEqualFiles } from './share.ts';

/** The thread that hashes and shares files: all of its calls block. */
serveWorker<DedupRequest, never, number, DedupReport>(shareEqualFiles);
