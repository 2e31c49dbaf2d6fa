/**
 * One measured job of the OSTree bench, as a process of its own:
 * `ostree-job.ts pull REPOSITORY URL-OR-PATH REF`, `… export REPOSITORY REF TARGET MODE`, `… checkout REPOSITORY REF TARGET`.
 */
import { exportDirectory } from '#work/export';
import { exportCommit, openCommit, pullCommit } from '#work/ostree';
import { openOrCreate } from '#work/repository';

const [job = '', path = '', ...args] = process.argv.slice(2);
const { repository } = await openOrCreate({ path });
using open = repository;
switch (job) {
  case 'pull': {
    const [from = '', ref = ''] = args;
    const source = from.startsWith('http')
      ? ({ kind: 'remote', url: from } as const)
      : ({ kind: 'local', path: from } as const);
    await pullCommit(open, source, ref);
    break;
  }
  case 'export': {
    const [ref = '', target = '', mode = 'bare'] = args;
    await exportCommit(open, ref, target, {
      createMode: mode === 'archive' ? 'archive' : 'bare',
      refs: ['main'],
    });
    break;
  }
  case 'checkout': {
    const [ref = '', target = ''] = args;
    const { imageId } = openCommit(open, ref);
    await exportDirectory(open, imageId ?? '', target);
    break;
  }
  default:
    throw new Error(`unknown job "${job}"`);
}
