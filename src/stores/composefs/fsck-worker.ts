import { serveWorker } from '#host';
import { type ObjectCheck, ObjectChecker, type ObjectCheckResult } from './fsck-objects.ts';

/** One thread of the object check; posts how many objects it has done where somebody wants to know. */
serveWorker<ObjectCheck, never, number, ObjectCheckResult>((check, context) => {
  const checker = new ObjectChecker(check);
  while (!context.isCancelled()) {
    const objects = checker.step();
    if (objects === undefined) break;
    if (check.reports) context.post(objects);
  }
  return checker.result;
});
