import type { DfReport } from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import type { Text } from './text.ts';

/** The text of `df`. */
export const text: Text<DfReport> = async (report, { line, note, table, noTrunc }) => {
  const sizes = ({ totalBytes, exclusiveBytes, sharedBytes, reclaimableBytes }: Sizes) =>
    [totalBytes, exclusiveBytes, sharedBytes, reclaimableBytes].map(formatSize);
  const images = report.images.filter(({ kind, totalBytes }) => {
    return totalBytes > 0 || !(kind === 'unreferenced' || kind === 'records');
  });
  await table(
    ['NAME', 'KIND', 'ID', 'STORE', ...SIZE_COLUMNS, 'SHARED WITH'],
    images.map((row) => [
      row.names.length > 0 ? row.names.join(', ') : '-',
      row.kind,
      row.id === null ? '-' : formatDigest(row.id, noTrunc),
      row.store,
      ...sizes(row),
      namesOf(
        row.sharedWith.map(({ name, store }) => (store === row.store ? name : `${store} ${name}`)),
      ),
    ]),
    SIZE_COLUMNS,
  );
  line('');
  await table(
    ['STORE', 'FILES', ...SIZE_COLUMNS, 'SHARED WITH'],
    report.stores.map((row) => [
      row.store,
      `${row.files}`,
      ...sizes(row),
      namesOf(row.sharedWith.map(({ store }) => store)),
    ]),
    ['FILES', ...SIZE_COLUMNS],
  );
  line('');
  for (const one of report.filesystems) {
    const used = `${formatSize(one.usedBytes)} used of ${formatSize(one.totalBytes)}`;
    line(`Filesystem of ${one.path}: ${used}, ${formatSize(one.accountedBytes)} by these stores`);
    if (one.encodedBytes > 0) {
      note(`${one.path}: at most ${formatSize(one.encodedBytes)} of it are compressed extents`);
    }
    if (one.unmappedFiles > 0) {
      note(`${one.path}: the filesystem reports no extents of ${one.unmappedFiles} files`);
    }
  }
  for (const { store, unseen, problems } of report.stores) {
    for (const { what, count, sizeBytes, path } of unseen) {
      const bytes = what === 'files' ? ` (${formatSize(sizeBytes)})` : '';
      note(
        `${store}: not counted: ${count} ${what}${bytes} that this user may not read, such as ${path}`,
      );
    }
    for (const problem of problems) note(problem);
  }
};

type Sizes = Pick<
  DfReport['stores'][number],
  'totalBytes' | 'exclusiveBytes' | 'sharedBytes' | 'reclaimableBytes'
>;

const SIZE_COLUMNS = ['TOTAL', 'EXCLUSIVE', 'SHARED', 'RECLAIMABLE'];
/** Names in a cell; `--json` has all. */
const NAMES_MAX = 2;

function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_MAX).join(', ');
  const rest = names.length - NAMES_MAX;
  return names.length === 0 ? '-' : rest > 0 ? `${shown} and ${rest} more` : shown;
}
