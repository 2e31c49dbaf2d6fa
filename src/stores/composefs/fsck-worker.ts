import { serveWorker } from '#host';
import { checkObjects, type ObjectCheck, type ObjectCheckResult } from './fsck-objects.ts';

/** One thread of the object check; posts how many objects it has done. */
serveWorker<ObjectCheck, never, number, ObjectCheckResult>((check, context) =>
  checkObjects(check, {
    onAdvance: (objects) => context.post(objects),
    isCancelled: context.isCancelled,
  }),
);
