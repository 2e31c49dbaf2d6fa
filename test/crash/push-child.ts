/** Pushes one image and says so: `push-child.ts REPOSITORY NAME HOST TARGET TAG`. Tests kill it. */
import { RegistryRepository } from '#remotes/registry';
import { openRepository } from '#stores/composefs';
import { pushImage } from '#work/export';

const [path = '', name = '', host = '', repositoryName = '', tag = ''] = process.argv.slice(2);
using repository = await openRepository(path);
const endpoint = { host, repository: repositoryName, insecure: false, mayUsePlainHttp: true };
await using target = new RegistryRepository([endpoint]);
process.send?.('started');
const { manifestDigest } = await pushImage(repository, name, target, { tag, sameDigest: true });
process.send?.({ manifestDigest });
process.disconnect?.();
