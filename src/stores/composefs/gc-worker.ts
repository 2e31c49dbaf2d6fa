import { serveWorker } from '#host';
import { ObjectRemover, type Removal } from './gc-remove.ts';

/** A second thread that removes objects; answers with the numbers of those that were gone already. */
serveWorker<Removal, never, number, readonly number[]>((removal, context) => {
  using remover = new ObjectRemover(removal, 'last');
  while (!context.isCancelled()) {
    const objects = remover.step();
    if (objects === undefined) break;
    if (removal.reports) context.post(objects);
  }
  return remover.missing;
});
