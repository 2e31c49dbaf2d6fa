import type { OstreeCommitReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `ostree commit`. */
export const text: Text<OstreeCommitReport> = (report, { line, note }, request) => {
  if (report.dryRun) {
    const trees = report.sources.map((one) => ('path' in one ? one.path : one.name));
    const from = [...(request['base'] === undefined ? [] : [request['base']]), ...trees].join(', ');
    line(`Would commit ${from}${report.ref === null ? '' : ` as ${report.ref}`}`);
    return;
  }
  line(`commit  ${report.commit}`);
  line(`stream  ${report.streamId}`);
  line(`image   ${report.imageId}`);
  if (report.ref !== null) line(`tagged  ${report.ref}`);
  if (!report.changed) note('The tree equals the tree of the parent: no commit was created');
};
