import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import {
  applyGc,
  collectGarbage,
  encodeGcPlan,
  type GcPlan,
  type GcResult,
  type MountEffects,
  parseGcPlan,
  planGc,
} from '#work/check';
import { forgetAncestors } from '#work/commits';
import type { Repository } from '#work/repository';
import { type Action, type Context, flag, textOption, wholeNumber } from '../context.ts';
import { EXIT_FINDINGS, UsageError } from '../output.ts';
import { openSelected } from '../repository.ts';
import { formatSize } from '../units.ts';

/** What to do: only look, look and write a plan, do what a plan says, or look and do at once. */
interface Request {
  readonly roots: readonly string[];
  readonly timeoutMs: number | undefined;
  readonly planPath: string | undefined;
  readonly applyPath: string | undefined;
  readonly force: boolean;
}

/** `gc`: removes what no name reaches; with --dry-run or --plan says what would go. */
export const gc: Action = async (context, _operands, options) => {
  const seconds = wholeNumber(textOption(options, 'timeout'), '--timeout');
  const request = {
    roots: options['root'] as readonly string[],
    timeoutMs: seconds === undefined ? undefined : seconds * 1000,
    planPath: textOption(options, 'plan'),
    applyPath: textOption(options, 'apply'),
    force: flag(options, 'force'),
  };
  if (request.applyPath !== undefined && (request.planPath !== undefined || request.roots.length)) {
    throw new UsageError('Cannot apply a plan: expected --apply alone, without --plan and --root');
  }
  using repository = await openSelected(context);
  const isPlan = context.dryRun || request.planPath !== undefined;
  const depth = wholeNumber(textOption(options, 'depth'), '--depth');
  if (depth !== undefined) {
    if (isPlan) {
      throw new UsageError(
        'Cannot plan with --depth: it lets go of commits before anything is removed',
      );
    }
    const count = forgetAncestors(repository, depth);
    context.out.line(`Commits: ${count} kept no longer as ancestors`);
  }
  const report = await run(context, repository, request, isPlan);
  if (context.out.json) {
    const { objectsBytes, ...counts } = report;
    const plan = request.planPath ?? null;
    context.out.document({ dryRun: isPlan, plan, ...counts, freedBytes: objectsBytes });
  }
  print(context, report, isPlan);
  printMounts(context, report, request.force);
  if (request.planPath !== undefined) {
    context.out.line(`Plan written; do it with: onecopy gc --apply ${request.planPath}`);
  }
  return report.findings.length > 0 ? EXIT_FINDINGS : 0;
};

async function run(
  context: Context,
  repository: Repository,
  { roots, timeoutMs, planPath, applyPath, force }: Request,
  isPlan: boolean,
): Promise<GcResult & MountEffects> {
  const workers = context.jobs ?? availableParallelism();
  const options = { ...context.operation, roots, timeoutMs, workers, force };
  if (applyPath !== undefined) {
    const plan = readPlan(applyPath);
    return isPlan
      ? { ...resultOf(plan), heldByMounts: [] }
      : await applyGc(repository, plan, options);
  }
  if (!isPlan) return await collectGarbage(repository, options);
  const plan = await planGc(repository, options);
  if (planPath !== undefined && !context.dryRun) writePlan(planPath, plan);
  return { ...resultOf(plan), heldByMounts: plan.heldByMounts };
}

/** An existing file is never replaced. @throws UsageError */
function writePlan(path: string, plan: GcPlan): void {
  try {
    writeFileSync(path, encodeGcPlan(plan), { flag: 'wx', mode: 0o644 });
  } catch (error) {
    throw new UsageError(`Cannot write plan "${path}": ${messageOf(error)}`);
  }
}

/** @throws UsageError when it cannot be read; FormatError GC_PLAN_INVALID */
function readPlan(path: string): GcPlan {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`Cannot read plan "${path}": ${messageOf(error)}`);
  }
  return parseGcPlan(text, path);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The plan counted as if it were done. */
function resultOf(plan: GcPlan): GcResult {
  const prunedBelow = (prefix: string) =>
    plan.links.filter(({ path }) => path.startsWith(prefix)).length;
  return {
    objectsRemoved: plan.objects.length,
    objectsBytes: plan.objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    imagesPruned: prunedBelow('images/'),
    streamsPruned: prunedBelow('streams/'),
    leftoversRemoved: plan.leftovers.length,
    findings: plan.findings,
  };
}

/** Mounted images are kept unless that was not wanted; then reading what is mounted fails. */
function printMounts(context: Context, { heldByMounts }: MountEffects, force: boolean): void {
  for (const { image, target } of heldByMounts) {
    const text = force
      ? `Broken by --force: "${target}", where image ${image} is mounted`
      : `Kept: image ${image}, which is mounted at "${target}" and nothing else keeps`;
    context.out.note(text);
  }
}

function print(context: Context, report: GcResult, isPlan: boolean): void {
  const { line, note } = context.out;
  const would = isPlan ? 'would be removed' : 'removed';
  line(`Objects: ${report.objectsRemoved} ${would} (${formatSize(report.objectsBytes)})`);
  if (report.imagesPruned + report.streamsPruned > 0) {
    line(`Names:   ${report.imagesPruned} of images, ${report.streamsPruned} of streams ${would}`);
  }
  if (report.leftoversRemoved > 0) {
    line(`Rest:    ${report.leftoversRemoved} files of interrupted runs ${would}`);
  }
  for (const { kind, path, detail } of report.findings) note(`${kind}: ${path}: ${detail}`);
}
