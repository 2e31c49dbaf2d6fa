import * as v from 'valibot';
import { byteStringFromText } from '#base/bytes';
import { ensureNamedImage, findNamed, openNamedView } from '#work/catalog';
import { exportPath } from '#work/export';
import { checkoutReport } from './checkout-report.ts';
import { entryOf, entrySchema } from './entry.ts';
import { openSelected } from './repository.ts';
import { text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.variant('dryRun', [
  v.object({ dryRun: v.literal(true), from: entrySchema, to: text }),
  v.object({ dryRun: v.literal(false), ...checkoutReport }),
]);
export type CpReport = v.InferOutput<typeof report>;

const request = v.strictObject({
  name: text,
  path: text,
  /** Absolute path of the new file or directory. */
  to: text,
  /** False: do not restore owners. */
  owners: v.optional(v.boolean()),
});
export type CpRequest = v.InferOutput<typeof request>;

/** `cp`: copies a file or directory out, sharing its blocks where the filesystem can. */
export const cp = defineVerb({
  request,
  report,
  examples: [
    {
      request: { name: 'app', path: '/hello.txt', to: '/tmp/hello.txt', owners: false },
      says: 'Copy a file out of an image',
    },
  ],
  async plan(context, { name, path, to }) {
    using repository = await openSelected(context);
    const view = openNamedView(repository, findNamed(repository, name));
    view.name = name;
    const entry = view.stat(byteStringFromText(path));
    return { dryRun: true as const, from: entryOf(entry), to };
  },
  async run(context, { name, path, to, owners }) {
    using repository = await openSelected(context);
    const { signal, onProgress } = context;
    const { imageId } = await ensureNamedImage(repository, findNamed(repository, name), { signal });
    const done = await exportPath(
      repository,
      imageId,
      { from: byteStringFromText(path), to },
      { signal, onProgress, owners, name },
    );
    return { dryRun: false as const, ...done };
  },
});
