/** Pulls one commit and says so: `ostree-pull-child.ts REPOSITORY URL REF`. The crash test kills it in the middle. */
import { openRepository } from '#stores/composefs';
import { pullCommit } from '#work/pull-commit';

const [path = '', url = '', ref = ''] = process.argv.slice(2);
using repository = await openRepository(path);
process.send?.('started');
const pulled = await pullCommit(repository, { kind: 'remote', url }, ref, { deltas: 'never' });
process.send?.({ counts: pulled.counts, streamId: pulled.streamId });
process.disconnect?.();
