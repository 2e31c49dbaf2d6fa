/** Pulls one image and says so: `image-pull-child.ts REPOSITORY REFERENCE NAME`. Tests kill it, or run two of them. */
import { openRepository } from '#stores/composefs';
import { pullImage } from '#work/pull-image';

const [path = '', reference = '', name = ''] = process.argv.slice(2);
using repository = await openRepository(path);
process.send?.('started');
const report = await pullImage(repository, reference, { name, jobs: 2 });
process.send?.({ report });
process.disconnect?.();
