/**
 * Pulls an image from a layout, says what was shared, and prints one file of it. Ctrl-C leaves a clean repository.
 *
 * Usage: node examples/pull-and-read.ts REPOSITORY REFERENCE PATH
 */
import {
  byteStringFromText,
  isOnecopyError,
  openImageView,
  openOrCreate,
  pullImage,
  renderErrorText,
} from '../src/index.ts'; // in your project: from 'onecopy'

const [path = '', reference = '', file = ''] = process.argv.slice(2);
const abort = new AbortController();
process.once('SIGINT', () => abort.abort(new Error('Interrupted')));

try {
  const { repository } = await openOrCreate({ path });
  using open = repository;
  const report = await pullImage(open, reference, {
    name: 'example',
    signal: abort.signal,
    onProgress(event) {
      if (event.type === 'done') process.stderr.write(`${event.id}: ${event.transferred}\n`);
    },
  });
  process.stderr.write(`${report.objects.stored} files new, ${report.objects.reused} shared\n`);
  using view = openImageView(open, 'example');
  for (const piece of view.read(byteStringFromText(file))) {
    process.stdout.write(Buffer.from(piece));
  }
} catch (error) {
  if (!isOnecopyError(error)) throw error;
  process.stderr.write(`${renderErrorText(error)}\n`);
  process.exitCode = error.exitCode;
}
