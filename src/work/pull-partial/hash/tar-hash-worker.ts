import type { ContentDigest } from '#base/digest';
import { serveWorker } from '#host';
import type { ObjectReaderSeed } from '#stores/composefs';
import { followOrders } from './orders.ts';
import { DirectTarHash } from './tar-hash.ts';
import type { HashAnswer, HashOrders } from './tar-hash-thread.ts';

serveWorker<ObjectReaderSeed, HashOrders, HashAnswer, ContentDigest>(async (seed, context) => {
  await using hash = new DirectTarHash(seed);
  for await (const orders of context.messages()) {
    if (orders === 'end') break;
    followOrders(orders, hash, context.isCancelled);
    context.post(orders.length);
  }
  return await hash.finish();
});
