// A program that uses the built library with entries of threads in a folder of their own. Prints the code of the error that ends its work,
// or "done", and ends by having nothing left to do.
import { checkEverything, openOrCreate, pullImage, setWorkerFolder } from 'onecopy';
import { pullCommit } from 'onecopy/ostree';

const [folder, action, path, source, ref] = process.argv.slice(2);
setWorkerFolder(folder);
const { repository } = await openOrCreate({ path });
try {
  if (action === 'pull') await pullImage(repository, source, { name: 'app', jobs: 2 });
  if (action === 'check') await checkEverything(repository, { workers: 2 });
  if (action === 'commit')
    await pullCommit(repository, { kind: 'local', path: source }, ref, { workers: 2 });
  process.stdout.write('done');
} catch (error) {
  process.stdout.write(`${error.code}: ${error.details?.reason}`);
} finally {
  repository[Symbol.dispose]();
}
