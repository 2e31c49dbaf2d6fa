import type { ContentDigest } from '#base/digest';
import { serveWorker } from '#host';
import type { ObjectReaderSeed } from '#stores/composefs';
import { followOrders } from './orders.ts';
import { DirectTarHash } from './tar-hash.ts';
import type { HashAnswer, HashOrders } from './tar-hash-thread.ts';

/** Objects that are open ahead of their turn: the disk reads them at once, not one after the other. */
const AHEAD_MAX = 32;

serveWorker<ObjectReaderSeed, HashOrders, HashAnswer, ContentDigest>(async (seed, context) => {
  await using hash = new DirectTarHash(seed, AHEAD_MAX);
  for await (const orders of context.messages()) {
    if (orders === 'end') break;
    followOrders(orders, hash, context.isCancelled);
    context.post(orders.length);
  }
  return await hash.finish();
});
