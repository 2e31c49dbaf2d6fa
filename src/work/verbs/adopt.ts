import * as v from 'valibot';
import { isOnecopyError, UsageError } from '#base/errors';
import { placeOf, type StorePlace } from '#work/account';
import { listStoredImages, openStoredImage, type StoredImage } from '#work/containers';
import { dedupStores } from '#work/dedup';
import { parseReference } from '#work/export';
import { pullImage } from '#work/pull-image';
import { locateRepository, type Repository } from '#work/repository';
import { dedupPart, dedupReport } from './dedup.ts';
import { defaultName } from './default-name.ts';
import { openIfPresent, openToFill } from './repository.ts';
import { count, list, text } from './schemas.ts';
import { defineVerb, type VerbContext } from './verb.ts';

const reflinkPolicy = v.picklist(['auto', 'always', 'never']);
const request = v.strictObject({
  /** `containers-storage:`, `containers-storage:[DRIVER@ROOT]` or `ostree-local:PATH`. */
  store: text,
  /** How files become objects where the repository does not have them. */
  reflink: v.optional(reflinkPolicy),
});
type AdoptRequest = v.InferOutput<typeof request>;

const report = v.object({
  dryRun: v.boolean(),
  kind: v.picklist(['containers-storage', 'ostree']),
  store: text,
  /** Images of the store, or refs of the repository. */
  images: list(
    v.object({
      names: list(text),
      id: text,
      state: v.picklist(['imported', 'present', 'missing', 'left']),
      /** Why an image was left in its store alone; empty for the others. */
      reason: text,
    }),
  ),
  objects: v.object({ stored: count, reflinked: count, copied: count, reused: count }),
  dedup: dedupPart,
});
export type AdoptReport = v.InferOutput<typeof report>;
type Row = AdoptReport['images'][number];

/** `adopt`: the repository has the images of another store afterwards, and both share the blocks of their files. */
export const adopt = defineVerb({
  request,
  report,
  examples: [
    {
      request: { store: 'containers-storage:' },
      says: 'Take over the images of podman, and share their files',
    },
    {
      request: { store: 'ostree-local:os-repo' },
      says: 'Take over the commits of an OSTree repository',
    },
  ],
  async plan(context, asked) {
    const place = await placeToAdopt(asked);
    const images = await planRows(context, place);
    return await withDedup(context, place, { images, objects: noObjects(), isDryRun: true });
  },
  async run(context, asked) {
    const place = await placeToAdopt(asked);
    const objects = noObjects();
    const images =
      place.kind === 'containers-storage'
        ? await importImages(context, place, { asked, objects })
        : await importCommits(context, place);
    return await withDedup(context, place, { images, objects, isDryRun: false });
  },
  hasFindings: ({ images, dedup }) =>
    images.some(({ reason }) => reason !== '') || dedup.left + dedup.problems.length > 0,
});

function noObjects(): Mutable<AdoptReport['objects']> {
  return { stored: 0, reflinked: 0, copied: 0, reused: 0 };
}

type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] };

/** @throws UsageError for a composefs repository; as `placeOf` */
async function placeToAdopt({ store }: AdoptRequest): Promise<StorePlace> {
  const place = await placeOf(store);
  if (place.kind !== 'composefs') return place;
  throw new UsageError(
    `Cannot adopt "${store}": expected containers-storage: or ostree-local:, found a composefs repository`,
  );
}

async function planRows(context: VerbContext, place: StorePlace): Promise<Row[]> {
  using repository = await openIfPresent(context);
  if (place.kind !== 'containers-storage') {
    const { ostreePull, planPullOf } = await import('./ostree-pull.ts');
    const { commits } = await planPullOf(context, ostreePull.parse(mirrorOf(place.path)));
    return commits.map(({ ref, commit, isPresent }) => {
      const state = isPresent ? 'present' : 'missing';
      return { names: ref === null ? [] : [ref], id: commit, state, reason: '' };
    });
  }
  const images = await listStoredImages(place.places, { signal: context.signal });
  return images.map((image) => {
    const names = namesOf(image);
    const reason = whyNot(image);
    const isThere = names.every((name) => repository?.tags.resolve(name) !== undefined);
    const state = reason !== '' ? 'left' : isThere ? 'present' : 'missing';
    return { names, id: image.id, state, reason };
  });
}

/** Names in the repository. */
function namesOf({ names }: StoredImage): string[] {
  const found = names.map((name) => defaultName(parseReference(`containers-storage:${name}`)));
  return [...new Set(found)];
}

function whyNot(image: StoredImage): string {
  if (image.isList) return 'it is a manifest list: its images are adopted one by one';
  return namesOf(image).length === 0 ? 'it has no name, so that gc would remove it' : '';
}

async function importImages(
  context: VerbContext,
  place: StorePlace & { readonly kind: 'containers-storage' },
  { asked, objects }: { asked: AdoptRequest; objects: Mutable<AdoptReport['objects']> },
): Promise<Row[]> {
  const { signal } = context;
  const images = await listStoredImages(place.places, { signal });
  using repository = await openToFill(context);
  const rows: Row[] = [];
  for (const image of images) {
    const row = { names: namesOf(image), id: image.id, reason: whyNot(image) };
    if (row.reason !== '') {
      rows.push({ ...row, state: 'left' });
      continue;
    }
    try {
      using source = await openStoredImage(place.places, image.id, { signal });
      const { jobs, onProgress, warn, requireVerity } = context;
      const how = { jobs, signal, onProgress, onWarning: warn, requireVerity };
      const [name] = row.names;
      const done = await pullImage(repository, source, { ...how, name, reflink: asked.reflink });
      for (const key of Object.keys(objects) as (keyof typeof objects)[])
        objects[key] += done.objects[key];
      tagAll(repository, row.names, done.manifestDigest);
      const isNew = done.layers.some(({ status }) => status === 'imported');
      rows.push({ ...row, state: isNew ? 'imported' : 'present' });
    } catch (error) {
      signal.throwIfAborted();
      // Where copies are not allowed, none of the others can be imported either.
      const isAll = isOnecopyError(error) && error.code === 'IMPORT_WOULD_COPY';
      if (!isOnecopyError(error) || error.kind === 'host' || isAll) throw error;
      rows.push({ ...row, state: 'left', reason: error.message });
    }
  }
  return rows;
}

function tagAll(
  { tags }: Repository,
  names: readonly string[],
  digest: Parameters<Repository['tags']['set']>[1],
): void {
  for (const name of names.slice(1)) tags.set(name, digest);
}

async function importCommits(
  context: VerbContext,
  { path }: StorePlace & { readonly path: string },
): Promise<Row[]> {
  const { ostreePull, pullCommitsOf } = await import('./ostree-pull.ts');
  const { commits } = await pullCommitsOf(context, ostreePull.parse(mirrorOf(path)));
  return commits.map(({ ref, commit, wasPresent }) => {
    const state = wasPresent ? 'present' : 'imported';
    return { names: ref === null ? [] : [ref], id: commit, state, reason: '' };
  });
}

function mirrorOf(path: string): unknown {
  return { reference: `ostree-local:${path}`, mirror: true };
}

/** What is in both stores shares its blocks afterwards, too: objects that were there before came from elsewhere. */
async function withDedup(
  context: VerbContext,
  place: StorePlace,
  {
    images,
    objects,
    isDryRun,
  }: Pick<AdoptReport, 'images' | 'objects'> & { readonly isDryRun: boolean },
): Promise<AdoptReport> {
  const { signal, onProgress } = context;
  const path = locateRepository(context.repository);
  using present = await openIfPresent(context);
  const own = { kind: 'composefs', label: `composefs:${path}`, path, isGiven: true } as const;
  const stores = present === undefined ? [place] : [own, place];
  const dedup = await dedupStores({ stores, isDryRun }, { signal, onProgress });
  const kind = place.kind === 'containers-storage' ? place.kind : 'ostree';
  return {
    dryRun: isDryRun,
    kind,
    store: place.label,
    images,
    objects,
    dedup: dedupReport(dedup),
  };
}
