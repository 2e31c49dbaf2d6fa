import { initChosen } from '#work/repository';
import { type Action, flag, textOption } from '../context.ts';
import { UsageError } from '../output.ts';

/** `init`: creates a repository, or checks that the one there is as asked. */
export const init: Action = async (context, _operands, options) => {
  const { repository, path, created } = await initChosen(context.selection, {
    ...context.operation,
    algorithmId: textOption(options, 'algorithm'),
    insecure: flag(options, 'insecure'),
    requireVerity: context.requireVerity,
    versions: erofsVersions(options['erofsVersion']),
  });
  using open = repository;
  const algorithm = `fsverity-${open.algorithm}-12`;
  if (context.out.json) {
    context.out.document({
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

function erofsVersions(values: unknown): (0 | 1 | 2)[] {
  return (values as readonly string[]).map((text) => {
    const version = Number(text);
    if (version === 0 || version === 1 || version === 2) return version;
    throw new UsageError(`Cannot read --erofs-version: expected 0, 1 or 2, found "${text}"`);
  });
}
