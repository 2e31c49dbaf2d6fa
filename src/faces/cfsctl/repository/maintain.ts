import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkRepository, collectGarbage, planGc } from '#work/check';
import type { Setting } from '../setting.ts';
import { fsckDocument, renderFsckText } from './fsck-report.ts';

/** How long a transaction sleeps between two looks at nothing. */
const DAY_MS = 86_400_000;

/** `transaction` */
export async function transaction(setting: Setting): Promise<undefined> {
  using _locked = await setting.open();
  for (;;) await sleep(DAY_MS, undefined, { signal: setting.signal });
}

/** `gc` */
export async function gc(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given, signal } = setting;
  const options = { signal, roots: given.list('root'), workers: availableParallelism() };
  if (given.has('dry-run')) {
    const plan = await planGc(repository, options);
    // composefs-rs counts links when their objects are gone.
    await setting.print(
      'Dry run (no files deleted):',
      ...linesOf({ objects: plan.objects.length, bytes: plan.objectsBytes, images: 0, streams: 0 }),
    );
    return;
  }
  const done = await collectGarbage(repository, options);
  await setting.print(
    ...linesOf({
      objects: done.objectsRemoved,
      bytes: done.objectsBytes,
      images: done.imagesPruned,
      streams: done.streamsPruned,
    }),
  );
}

function linesOf(counts: {
  readonly objects: number;
  readonly bytes: number;
  readonly images: number;
  readonly streams: number;
}): string[] {
  const { objects, bytes, images, streams } = counts;
  const lines = [`Objects: ${objects} removed (${bytes} bytes)`];
  if (images + streams > 0) lines.push(`Pruned symlinks: ${images} images, ${streams} streams`);
  return lines;
}

/** `fsck` */
export async function fsck(setting: Setting): Promise<number | undefined> {
  using repository = await setting.open();
  const { given, signal } = setting;
  const metadataOnly = given.has('metadata-only');
  const report = await checkRepository(repository, {
    signal,
    metadataOnly,
    workers: availableParallelism(),
  });
  if (given.has('json')) {
    await setting.print(JSON.stringify(fsckDocument(report), undefined, 2));
    return undefined;
  }
  await setting.write(renderFsckText(report));
  if (report.ok) return undefined;
  setting.warn('Error: repository integrity check failed\n');
  return 1;
}
