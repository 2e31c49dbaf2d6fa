import { serveWorker } from '#host';
import { ObjectRemover, type Removal } from './gc-remove.ts';

/** A second thread that removes objects. */
serveWorker<Removal, never, number, void>((removal, context) => {
  using remover = new ObjectRemover(removal, 'last');
  while (!context.isCancelled()) {
    const objects = remover.step();
    if (objects === undefined) break;
    if (removal.reports) context.post(objects);
  }
});
