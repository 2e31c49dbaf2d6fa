import { serveWorker } from '#host';
import type { Finding } from './findings.ts';
import { type ObjectCheck, ObjectChecker } from './fsck-objects.ts';

/**
 * One thread of the object check. It is started before the list of objects is known, and waits for it. It posts its progress on request.
 */
serveWorker<undefined, ObjectCheck, number, readonly Finding[]>(async (_data, context) => {
  for await (const check of context.messages()) {
    using checker = new ObjectChecker(check);
    while (!context.isCancelled()) {
      const objects = checker.step();
      if (objects === undefined) break;
      if (check.reports) context.post(objects);
    }
    return checker.findings;
  }
  return [];
});
