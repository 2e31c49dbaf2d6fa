import { resolve } from 'node:path';
import type { OstreeReference } from '#work/export';
import { OSTREE_MODES, type OstreeMode } from '#work/export-commit';
import { openOciImage } from '#work/image';
import type { Repository } from '#work/repository';
import { imageRefName, synthesizeCommit } from '#work/synthesize';
import { type Context, flag, textOption } from '../context.ts';
import { UsageError } from '../output.ts';
import { readingOption } from '../reading-option.ts';
import { formatSize } from '../units.ts';

type Options = Readonly<Record<string, unknown>>;

/** `export NAME ostree-local:PATH[:REF]`: makes the OSTree commit of an image, straight in an OSTree repository. */
export async function exportToOstree(
  context: Context,
  repository: Repository,
  name: string,
  { location, ref = defaultRef(name) }: OstreeReference,
  options: Options,
): Promise<number> {
  const path = resolve(location);
  const createMode = modeOption(textOption(options, 'mode'));
  if (context.dryRun) {
    const { manifestDigest } = openOciImage(repository, name);
    const plan = { kind: 'ostree', name, path, ref: ref ?? null, manifestDigest };
    if (context.out.json) context.out.document({ dryRun: true, ...plan });
    context.out.line(`Would make a commit of ${name} in ${path}${ref ? ` as ${ref}` : ''}`);
    return 0;
  }
  const report = await synthesizeCommit(repository, name, path, {
    ...context.operation,
    refs: ref === undefined ? [] : [ref],
    createMode,
    reading: readingOption(options),
    emptyBoot: flag(options, 'emptyBoot'),
    emptySysroot: flag(options, 'emptySysroot'),
    xattrs: flag(options, 'keepUserXattrs') ? 'keep-user-xattrs' : undefined,
  });
  if (context.out.json) context.out.document({ dryRun: false, kind: 'ostree', ...report });
  const { line } = context.out;
  line(`commit  ${report.commit}`);
  for (const tagged of report.refs) line(`tagged  ${tagged}`);
  if (!report.isLabelled) line('labels  none: the image has no SELinux policy');
  context.out.detail(
    `${report.metadataWritten} metadata and ${report.filesWritten + report.filesReflinked} files written ` +
      `(${report.filesReflinked} by reflink), ${report.objectsPresent} were there, ${formatSize(report.contentBytes)}`,
  );
  return 0;
}

/** The ref where bootc and rpm-ostree look for the image; a digest is no name of one. */
function defaultRef(name: string): string | undefined {
  return name.startsWith('@') ? undefined : imageRefName(`docker://${name}`);
}

function modeOption(text: string | undefined): OstreeMode | undefined {
  const found = OSTREE_MODES.find((mode) => mode === text);
  if (text === undefined || found !== undefined) return found;
  throw new UsageError(
    `Cannot read --mode: expected one of ${OSTREE_MODES.join(', ')}, found "${text}"`,
  );
}
