import { initChosen, locateRepository } from '#work/repository';
import { confirm } from '../ask.ts';
import { type Action, type Context, flag, textOption } from '../context.ts';
import { UsageError } from '../output.ts';
import { openIfPresent } from '../repository.ts';

/** `init`: creates a repository, or checks that the one there is as asked. */
export const init: Action = async (context, _operands, options) => {
  const reset = flag(options, 'resetMetadata');
  const path = locateRepository(context.selection);
  if (context.dryRun) return await rehearse(context, path, reset);
  if (reset) await confirm(context, `Forget all images, names and streams of ${path}?`);
  const { repository, created } = await initChosen(context.selection, {
    ...context.operation,
    resetMetadata: reset,
    algorithmId: textOption(options, 'algorithm'),
    insecure: flag(options, 'insecure'),
    requireVerity: context.requireVerity,
    versions: erofsVersions(options['erofsVersion']),
  });
  using open = repository;
  const algorithm = `fsverity-${open.algorithm}-12`;
  if (context.out.json) {
    context.out.document({
      dryRun: false,
      repository: path,
      created,
      algorithm,
      insecure: open.insecure,
      erofsVersions: open.versions,
    });
  }
  context.out.line(`${created ? 'Created' : 'Already there:'} ${path}`);
  context.out.line(`  algorithm: ${algorithm}`);
  context.out.line(`  fs-verity: ${open.insecure ? 'not used' : 'required'}`);
  context.out.line(`  EROFS:     version ${open.versions.join(', then ')}`);
  return 0;
};

/** `init --dry-run`: says whether there is a repository already. */
async function rehearse(context: Context, path: string, reset: boolean): Promise<number> {
  using repository = await openIfPresent(context);
  const exists = repository !== undefined;
  if (context.out.json) {
    context.out.document({
      dryRun: true,
      repository: path,
      exists,
      resetMetadata: reset && exists,
    });
  }
  if (exists) context.out.line(`${reset ? 'Would reset' : 'Already there:'} ${path}`);
  else context.out.line(`Would create ${path}`);
  return 0;
}

function erofsVersions(values: unknown): (0 | 1 | 2)[] {
  return (values as readonly string[]).map((text) => {
    const version = Number(text);
    if (version === 0 || version === 1 || version === 2) return version;
    throw new UsageError(`Cannot read --erofs-version: expected 0, 1 or 2, found "${text}"`);
  });
}
