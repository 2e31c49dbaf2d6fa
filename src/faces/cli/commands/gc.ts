import { collectGarbage, planGc } from '#work/check';
import { openChosen } from '#work/repository';
import { type Action, textOption, wholeNumber } from '../context.ts';
import { EXIT_FINDINGS } from '../output.ts';
import { formatSize } from '../units.ts';

/** `gc`: removes what no name reaches; with --dry-run says what would go. */
export const gc: Action = async (context, _operands, options) => {
  using repository = await openChosen(context.selection, context.operation);
  const seconds = wholeNumber(textOption(options, 'timeout'), '--timeout');
  const request = {
    ...context.operation,
    roots: options['root'] as readonly string[],
    timeoutMs: seconds === undefined ? undefined : seconds * 1000,
  };
  const report = context.dryRun
    ? planned(await planGc(repository, request))
    : await collectGarbage(repository, request);
  if (context.out.json) {
    const { objectsBytes, ...counts } = report;
    context.out.document({ dryRun: context.dryRun, ...counts, freedBytes: objectsBytes });
  }
  if (context.dryRun) context.out.line('Dry run, nothing was removed:');
  context.out.line(
    `Objects: ${report.objectsRemoved} removed (${formatSize(report.objectsBytes)})`,
  );
  if (report.imagesPruned + report.streamsPruned > 0) {
    context.out.line(
      `Names:   ${report.imagesPruned} images, ${report.streamsPruned} streams pruned`,
    );
  }
  for (const finding of report.findings) {
    context.out.note(`onecopy: ${finding.kind}: ${finding.path}: ${finding.detail}`);
  }
  return report.findings.length > 0 ? EXIT_FINDINGS : 0;
};

function planned(plan: Awaited<ReturnType<typeof planGc>>) {
  const prunedBelow = (prefix: string) =>
    plan.links.filter(({ path }) => path.startsWith(prefix)).length;
  return {
    objectsRemoved: plan.objects.length,
    objectsBytes: plan.objectsBytes,
    imagesPruned: prunedBelow('images/'),
    streamsPruned: prunedBelow('streams/'),
    leftoversRemoved: plan.leftovers.length,
    findings: plan.findings,
  };
}
