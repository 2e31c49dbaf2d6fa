import * as v from 'valibot';
import { byteStringFromText } from '#base/bytes';
import { ensureNamedImage, findNamed } from '#work/catalog';
import { copyEntry, exportPath } from '#work/export';
import { checkoutReport } from './checkout-report.ts';
import { entryOf, entrySchema } from './entry.ts';
import { elsewhereKeys, isReference, openFiles, openPreview } from './files.ts';
import { openSelected } from './repository.ts';
import { text } from './schemas.ts';
import { defineVerb, refuseKeys } from './verb.ts';

const report = v.variant('dryRun', [
  v.object({ dryRun: v.literal(true), from: entrySchema, to: text }),
  v.object({
    dryRun: v.literal(false),
    ...checkoutReport,
    /** Null for an image at its source whose layers were not read whole. */
    imageId: v.nullable(text),
  }),
]);
export type CpReport = v.InferOutput<typeof report>;

const request = v.strictObject({
  name: text,
  path: text,
  /** Absolute path of the new file or directory. */
  to: text,
  /** False: do not restore owners. */
  owners: v.optional(v.boolean()),
  ...elsewhereKeys,
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
  async plan(context, { name, path, to, owners: _, ...choice }) {
    await using opened = await openFiles(context, name, choice);
    const entry = opened.view.stat(byteStringFromText(path));
    return { dryRun: true as const, from: entryOf(entry), to };
  },
  async run(context, { name, path, to, owners, ...choice }) {
    const { signal, onProgress } = context;
    const options = { signal, onProgress, owners };
    const from = byteStringFromText(path);
    if (isReference(name)) {
      await using preview = await openPreview(context, name, choice, 'auto');
      const { view } = preview;
      const entry = view.stat(from);
      await preview.bring(view.walk(entry.path));
      const tree = await preview.readTree(options);
      const done = await copyEntry(preview, { imageId: view.imageId, tree, entry }, to, options);
      const imageId = preview.hasObjectIds ? done.imageId : null;
      return { dryRun: false as const, ...done, imageId };
    }
    refuseKeys({ ...choice }, Object.keys(elsewhereKeys), `copy files of "${name}"`);
    using repository = await openSelected(context);
    const { imageId } = await ensureNamedImage(repository, findNamed(repository, name), { signal });
    const done = await exportPath(repository, imageId, { from, to }, { ...options, name });
    return { dryRun: false as const, ...done };
  },
});
