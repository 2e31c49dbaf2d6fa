import { availableParallelism } from 'node:os';
import {
  type CheckReport,
  checkEverything,
  type RepairOptions,
  type ReportedFinding,
  repairRepository,
} from '#work/check';
import type { Repository } from '#work/repository';
import { type Action, type Context, flag } from '../context.ts';
import { EXIT_FINDINGS, UsageError } from '../output.ts';
import { openSelected } from '../repository.ts';
import { checkNamedCommits, finishCommits, isSound } from './fsck-commits.ts';

/**
 * `fsck`: objects, streams, images, names, what the tags promise, layers put together and images built again; with names those images
 * and OSTree commits alone. With --repair it mends what it can. Exit 3 when something is (still) wrong.
 */
export const fsck: Action = async (context, names, options) => {
  const from = (options['from'] ?? []) as readonly string[];
  const metadataOnly = flag(options, 'metadataOnly');
  const wantsRepair = flag(options, 'repair');
  if (from.length > 0 && !wantsRepair) {
    throw new UsageError('Cannot use --from alone: expected --repair with it');
  }
  if (wantsRepair && metadataOnly) {
    throw new UsageError('Cannot repair with --metadata-only: what is damaged shows in contents');
  }
  using repository = await openSelected(context);
  const { commits, others } = checkNamedCommits(context, repository, names, metadataOnly);
  if (commits.length > 0 && wantsRepair) {
    throw new UsageError('Cannot repair commits: pull them again, which replaces what is damaged');
  }
  if (commits.length > 0 && others.length === 0) return finishCommits(context, commits);
  const workers = context.jobs ?? availableParallelism();
  const wanted = { ...context.operation, names: others, metadataOnly, workers };
  if (wantsRepair && !context.dryRun) {
    return await repair(context, repository, {
      ...wanted,
      refetch: refetchFrom(context, repository, from),
    });
  }
  const report = await checkEverything(repository, wanted);
  const ok = report.ok && commits.every(isSound);
  if (context.out.json) {
    const found = documentOf(report);
    context.out.document(commits.length === 0 ? found : { ...found, ok, commits });
  }
  print(context, report);
  return ok ? 0 : EXIT_FINDINGS;
};

/** Pulls without a name: what is damaged is verified and replaced, and no tag moves. */
function refetchFrom(context: Context, repository: Repository, references: readonly string[]) {
  return async () => {
    const { pullImage } = await import('#work/pull-image');
    for (const reference of references) {
      await pullImage(repository, reference, { ...context.operation, jobs: context.jobs });
    }
  };
}

async function repair(
  context: Context,
  repository: Repository,
  options: RepairOptions,
): Promise<number> {
  const { repaired, removed, after } = await repairRepository(repository, options);
  if (context.out.json) context.out.document({ ...documentOf(after), repaired, removed });
  const { line } = context.out;
  for (const finding of repaired) printFinding(line, finding, 'Repaired: ');
  for (const { path, usedBy } of removed) {
    line(`Removed: ${path}`);
    for (const use of usedBy) line(`    missing from ${use.image}: ${use.path ?? use.part}`);
  }
  print(context, after);
  return after.ok ? 0 : EXIT_FINDINGS;
}

function documentOf({ ok, repository, tags, findings, notChecked }: CheckReport) {
  return { ok, repository: repository ?? null, tags, findings, notChecked };
}

function print(context: Context, { repository, tags, findings, notChecked }: CheckReport): void {
  const { line } = context.out;
  const isChecked = !notChecked.includes('contents of objects');
  const count = (checked: number, bad: number) => `${checked - bad}/${checked} ok`;
  if (repository !== undefined) {
    line(`meta.json: ${repository.hasMetadata ? 'ok' : 'bad'}`);
    const { objectsChecked, objectsCorrupted } = repository;
    line(`objects:   ${isChecked ? count(objectsChecked, objectsCorrupted) : 'not checked'}`);
    line(`streams:   ${count(repository.streamsChecked, repository.streamsCorrupted)}`);
    line(`images:    ${count(repository.imagesChecked, repository.imagesCorrupted)}`);
    if (repository.brokenLinks > 0) line(`broken links:    ${repository.brokenLinks}`);
    if (repository.missingObjects > 0) line(`missing objects: ${repository.missingObjects}`);
  }
  line(`tags:      ${count(tags.imagesChecked, tags.imagesCorrupted)}`);
  for (const finding of findings) printFinding(line, finding);
  if (notChecked.length > 0) line(`Not checked: ${notChecked.join(', ')}`);
  line(verdict(findings.length));
}

function verdict(count: number): string {
  if (count === 0) return 'Nothing wrong';
  return count === 1 ? '1 finding' : `${count} findings`;
}

function printFinding(line: (text: string) => void, finding: ReportedFinding, before = '  '): void {
  const { kind, detail, usedBy } = finding;
  const place = 'path' in finding ? finding.path : finding.image;
  line(`${before}${kind}: ${place}${detail === '' ? '' : `: ${detail}`}`);
  for (const { image, path, part } of usedBy) line(`    used by ${image}: ${path ?? part}`);
}
