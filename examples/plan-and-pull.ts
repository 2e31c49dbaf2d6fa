/**
 * Prints what a pull would fetch, then pulls, with progress. Ctrl-C cancels and leaves a clean repository; the next pull continues.
 *
 * Usage: node examples/plan-and-pull.ts REPOSITORY REFERENCE NAME
 */
import {
  isOnecopyError,
  openOrCreate,
  planPull,
  pullImage,
  renderErrorText,
} from '../src/index.ts'; // in your project: from 'onecopy'

const [path = '', reference = '', name = ''] = process.argv.slice(2);
const controller = new AbortController();
const { signal } = controller;
const cancelled = new Error('Cancelled');
process.once('SIGINT', () => controller.abort(cancelled));

try {
  const opened = await openOrCreate({ path });
  using repository = opened.repository;
  const plan = await planPull(repository, reference, { signal });
  const wanted = plan.layers.filter(({ status }) => status === 'wanted');
  process.stderr.write(`${wanted.length} of ${plan.layers.length} layers to fetch\n`);

  const totals = new Map<string, number>();
  const report = await pullImage(repository, reference, {
    name,
    signal,
    // Called often: a program with a window remembers the numbers here and draws them later.
    onProgress(event) {
      if (event.type === 'started' && event.total !== undefined) totals.set(event.id, event.total);
      if (event.type === 'advanced') {
        process.stderr.write(`${event.id}: ${event.done} of ${totals.get(event.id) ?? '?'}\n`);
      }
    },
  });
  process.stdout.write(`${report.manifestDigest}\n`);
  process.stderr.write(`${report.objects.stored} files new, ${report.objects.reused} shared\n`);
} catch (error) {
  // A cancelled operation throws the reason of its signal unchanged.
  if (error === cancelled) {
    process.stderr.write('Cancelled\n');
    process.exitCode = 130;
  } else if (isOnecopyError(error)) {
    process.stderr.write(`${renderErrorText(error)}\n`);
    process.exitCode = error.exitCode;
  } else throw error;
}
