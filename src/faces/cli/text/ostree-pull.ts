import type { CommitPlanReport, CommitPullReport } from '#work/verbs';
import { formatSize } from '../units.ts';
import { countOf } from './checkout.ts';
import type { Speaker, Text } from './text.ts';

/** The text of `ostree pull`. */
export const text: Text<CommitPlanReport | CommitPullReport> = (report, { line }) => {
  const isSingle = report.commits.length === 1;
  if (report.dryRun) {
    if (report.wouldCreate) line('Would create the repository');
    for (const { ref, commit, current, isPresent } of report.commits) {
      const name = isSingle || ref === null ? '' : ` for ${ref}`;
      line(
        isPresent
          ? `Commit ${commit}${name} is already stored`
          : `Would pull commit ${commit}${name}${current === null ? '' : `, after ${current}`}`,
      );
    }
    return;
  }
  for (const commit of report.commits) printPulled(commit, line);
  if (report.traffic === null) return;
  const { requests, bodyBytes } = report.traffic;
  line(`  network:  ${countOf(requests, 'request')}, ${formatSize(bodyBytes)}`);
};

const HISTORY_ENDS = {
  depth: '',
  root: ', the whole history',
  missing: ', the source does not have the next one',
  deleted: ', the next one was deleted',
} as const;

function printPulled(one: CommitPullReport['commits'][number], line: Speaker['line']): void {
  const { counts, signedBy, history, subpaths } = one;
  line(`Pulled ${one.ref ?? one.commit}${one.wasPresent ? ', which was already stored' : ''}`);
  line(`  commit:   ${one.commit}`);
  if (one.imageId !== null) line(`  image:    ${one.imageId}`);
  if (subpaths?.length === 0) line('  only the commit object');
  for (const path of subpaths ?? []) line(`  subpath:  ${path}`);
  const known = counts.metadataKnown + counts.filesKnown;
  line(
    `  objects:  ${counts.metadataFetched} metadata + ${countOf(counts.filesFetched, 'file')} fetched, ` +
      `${known} already stored${one.delta === null ? '' : ', static delta used'}`,
  );
  if (history !== null) {
    const ancestors = countOf(history.commits.length, 'ancestor');
    line(`  history:  ${ancestors}${HISTORY_ENDS[history.end]}`);
  }
  for (const key of signedBy) line(`  signed:   ${key}`);
}
