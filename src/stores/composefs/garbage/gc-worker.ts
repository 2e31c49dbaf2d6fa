import { serveWorker } from '#host';
import { ObjectRemover, type Removal, type Removed } from './object-remover.ts';

/** One thread that removes objects. */
serveWorker<Removal, never, never, Removed>((removal, context) => {
  using remover = new ObjectRemover(removal);
  while (!context.isCancelled() && remover.step());
  return remover.removed;
});
