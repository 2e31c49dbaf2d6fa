import type { GcReport } from '#work/verbs';
import { formatSize } from '../units.ts';
import type { Text } from './text.ts';

/** The text of `gc`. */
export const text: Text<GcReport> = (report, { line, note }, { force }) => {
  if (report.ancestorsForgotten !== null) {
    line(`Commits: ${report.ancestorsForgotten} ancestors are no longer kept`);
  }
  const would = report.dryRun ? 'would be removed' : 'removed';
  line(`Objects: ${report.objectsRemoved} ${would} (${formatSize(report.freedBytes)})`);
  if (report.imagesPruned + report.streamsPruned > 0) {
    line(`Names:   ${report.imagesPruned} of images, ${report.streamsPruned} of streams ${would}`);
  }
  if (report.leftoversRemoved > 0) {
    const files = report.leftoversRemoved === 1 ? 'file' : 'files';
    line(`Leftovers: ${report.leftoversRemoved} temporary ${files} of interrupted runs ${would}`);
  }
  for (const { kind, path, detail } of report.findings) note(`${kind}: ${path}: ${detail}`);
  for (const { image, target } of report.heldByMounts) {
    note(
      force === true
        ? `Broken by --force: "${target}", where image ${image} is mounted`
        : `Kept: image ${image}, only because it is mounted at "${target}"`,
    );
  }
  for (const { name, reasons } of report.keptFor)
    line(`Kept:    ${name}, for ${reasons.join(', ')}`);
  if (report.plan !== null)
    line(`Plan written. To apply it, run: onecopy gc --apply ${report.plan}`);
};
