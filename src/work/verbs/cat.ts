import * as v from 'valibot';
import { NotFoundError, UsageError } from '#base/errors';
import type { ImageView, ViewEntry } from '#work/browse';
import { findNamed } from '#work/catalog';
import { rebuildLayer } from '#work/export';
import { openOciImage } from '#work/image';
import { elsewhereKeys, isReference, openFiles, pathOf } from './files.ts';
import { openSelected } from './repository.ts';
import { count, text, texts } from './schemas.ts';
import { defineVerb, refuseKeys, type VerbContext } from './verb.ts';

/** `cat`: the contents of files; each is verified before its first byte. */
export const cat = defineVerb({
  request: v.strictObject({
    name: text,
    paths: texts,
    /** Instead of files, the content of this layer, from 0: the blob of an artifact, the tar of an image. */
    layer: v.optional(count),
    ...elsewhereKeys,
  }),
  report: v.object({ files: count, sizeBytes: count }),
  examples: [
    { request: { name: 'app', paths: ['/hello.txt'] }, says: 'Print a file of an image' },
    { request: { name: 'data', layer: 0 }, says: 'Print the content of an artifact' },
  ],
  async run(context, { name, paths, layer, ...choice }) {
    if ((layer === undefined) === (paths.length === 0)) {
      throw new UsageError(
        `Cannot print files of "${name}": expected paths or --layer, found ${layer === undefined ? 'neither' : 'both'}`,
        layer === undefined
          ? 'Write the name, then the path: onecopy cat app /etc/os-release'
          : undefined,
      );
    }
    if (layer !== undefined) {
      refuseKeys({ ...choice }, Object.keys(elsewhereKeys), `print a layer of "${name}"`);
      return { files: 1, sizeBytes: await writeLayer(context, name, layer) };
    }
    await using opened = await openFiles(context, name, choice);
    const { view } = opened;
    const { entries, failure } = findAll(view, paths);
    await opened.bring(entries);
    let sizeBytes = 0;
    for (const entry of entries) {
      for (const piece of view.read(entry)) {
        context.signal.throwIfAborted();
        sizeBytes += piece.length;
        await context.write(Buffer.from(piece));
      }
    }
    if (failure !== undefined) throw failure.error;
    return { files: entries.length, sizeBytes };
  },
  givesContents: () => true,
});

/** Prints a layer of a stored image; all of it is verified before its first byte. @throws NotFoundError BLOB_NOT_FOUND; UsageError */
async function writeLayer(context: VerbContext, name: string, position: number): Promise<number> {
  if (isReference(name)) {
    throw new UsageError(
      `Cannot print a layer of "${name}": expected a stored image, found a reference`,
    );
  }
  using repository = await openSelected(context);
  const named = findNamed(repository, name);
  if (named.kind !== 'image') {
    throw new UsageError(
      `Cannot print a layer of "${name}": expected an image or artifact, found a ${named.kind}`,
    );
  }
  const { layers, manifestDigest } = openOciImage(repository, `@${named.manifestDigest}`);
  const layer = layers[position];
  if (layer === undefined) {
    throw new NotFoundError(
      'BLOB_NOT_FOUND',
      `Cannot find layer ${position} of "${name}": expected one of ${layers.length} layers, found none`,
      { digest: manifestDigest, source: name },
    );
  }
  const expected = layer.diffId ?? layer.digest;
  for (const _ of rebuildLayer(repository, layer.id, expected)) context.signal.throwIfAborted();
  let sizeBytes = 0;
  for (const piece of rebuildLayer(repository, layer.id, expected)) {
    context.signal.throwIfAborted();
    sizeBytes += piece.length;
    await context.write(Buffer.from(piece));
  }
  return sizeBytes;
}

/** The files of the paths, up to the first path that does not exist. */
function findAll(view: ImageView, paths: readonly string[]) {
  const entries: ViewEntry[] = [];
  try {
    for (const path of paths) entries.push(view.stat(pathOf(path), { follow: true }));
  } catch (error) {
    return { entries, failure: { error } };
  }
  return { entries, failure: undefined };
}
