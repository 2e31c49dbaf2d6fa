import { serveWorker } from '#host';
import { type IndexOrder, makeIndex } from './make-index.ts';

serveWorker<IndexOrder, never, never, Uint8Array | undefined>((order) => makeIndex(order));
