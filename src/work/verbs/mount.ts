import * as v from 'valibot';
import { UsageError } from '#base/errors';
import { ensureNamedImage, type Named, openNamedView } from '#work/catalog';
import { canMount, mountByFuse, mountImage } from '#work/mount';
import { findOfPlatform } from './files.ts';
import { openSelected } from './repository.ts';
import { count, flag, maybeText, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.variant('dryRun', [
  v.object({
    dryRun: v.literal(true),
    name: text,
    imageId: text,
    target: text,
    commit: v.nullable(text),
    mount: v.object({ imageId: text, target: text, commit: v.optional(text) }),
  }),
  v.object({
    dryRun: v.literal(false),
    name: text,
    mount: v.object({
      imageId: text,
      target: text,
      /** True when the kernel verifies the fs-verity digest of every file. */
      verity: v.boolean(),
      readOnly: v.boolean(),
      /** The process that serves the files; absent when the kernel mounted the image itself. */
      serverPid: v.optional(count),
      /** Only of a commit. */
      commit: v.optional(text),
    }),
  }),
]);
export type MountReport = v.InferOutput<typeof report>;

const request = v.strictObject({
  name: text,
  /** Absolute path of the directory. */
  directory: text,
  /** Absolute path of the writable layer; requires `work`. */
  upper: maybeText,
  /** Absolute path of the work directory of overlayfs. */
  work: maybeText,
  /** Of an index that was pulled with all platforms: the image to mount. */
  platform: maybeText,
  /** Serve the files by FUSE even if this user may mount. Without it, users who may not mount get FUSE. */
  fuse: flag,
});

/** `mount`: mounts an image or a commit over a directory. */
export const mount = defineVerb({
  request,
  report,
  examples: [{ request: { name: 'app', directory: '/tmp/mnt' }, says: 'Mount an image' }],
  async plan(context, asked) {
    writableOf(asked);
    using repository = await openSelected(context);
    const named = findOfPlatform(repository, asked.name, asked.platform);
    const { imageId } = await openNamedView(repository, named, context);
    const place = { imageId, target: asked.directory };
    const commit = named.kind === 'commit' ? named.commit : null;
    const mount = { ...place, ...commitOf(named) };
    return { dryRun: true as const, name: asked.name, ...place, commit, mount };
  },
  async run(context, asked) {
    const writable = writableOf(asked);
    using repository = await openSelected(context);
    const named = findOfPlatform(repository, asked.name, asked.platform);
    const { signal } = context;
    const { imageId } = await ensureNamedImage(repository, named, { signal });
    const { directory } = asked;
    const how = { label: asked.name, writable };
    const done =
      asked.fuse === true || !canMount()
        ? await mountByFuse(repository, imageId, directory, { ...how, signal })
        : mountImage(repository, imageId, directory, how);
    return { dryRun: false as const, name: asked.name, mount: { ...done, ...commitOf(named) } };
  },
});

function commitOf(named: Named): { readonly commit?: string } {
  return named.kind === 'commit' ? { commit: named.commit } : {};
}

function writableOf({ upper, work }: v.InferOutput<typeof request>) {
  if (upper !== undefined && work !== undefined) return { upper, work };
  if (upper === undefined && work === undefined) return undefined;
  throw new UsageError('Cannot mount a writable layer: expected both --upper and --work');
}
