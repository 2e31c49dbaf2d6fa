import * as v from 'valibot';
import { isOnecopyError, type OnecopyError, UsageError } from '#base/errors';
import { type CatalogRow, listNamed } from '#work/catalog';
import { type OciImage, openOciImage } from '#work/image';
import { formatPlatform } from '#work/pull-image';
import type { Repository } from '#work/repository';
import { openSelected } from './repository.ts';
import { count, list, maybeText, orNull, text, texts } from './schemas.ts';
import { defineVerb } from './verb.ts';

const row = v.object({
  name: text,
  /** Null for a tag whose image cannot be read. */
  kind: v.nullable(v.picklist(['image', 'index', 'artifact', 'commit', 'erofs'])),
  /** Of an index, the digest of the index. */
  manifestDigest: v.nullable(text),
  configDigest: v.nullable(text),
  commit: v.nullable(text),
  streamId: v.nullable(text),
  imageId: v.nullable(text),
  platform: v.nullable(
    v.object({
      os: text,
      architecture: text,
      variant: v.optional(text),
      osVersion: v.optional(text),
    }),
  ),
  /** Of an index: the images that it names. */
  platforms: list(text),
  created: v.nullable(text),
  layers: list(v.object({ digest: text, diffId: v.nullable(text) })),
  /** Size of the layers in the manifest: what a pull without any stored layer fetches. */
  downloadSizeBytes: count,
  /** Size of the distinct layers after decompression, or of all objects of a commit; null when it is not known. */
  sizeBytes: v.nullable(count),
  referrers: count,
  problem: v.nullable(v.object({ code: text, message: text })),
});
const report = v.object({
  images: list(row),
  /** Partial commits with their stored paths: empty if only the commit object is stored, null for a damaged commit. */
  partial: list(
    v.object({
      name: text,
      commit: text,
      subpaths: v.nullable(list(text)),
      imageId: v.nullable(text),
    }),
  ),
});
type Row = v.InferOutput<typeof row>;
export type ImagesReport = v.InferOutput<typeof report>;

/** `images`: lists every name of the repository. A tag whose image cannot be read is a row with its problem. */
export const images = defineVerb({
  request: v.strictObject({
    kind: v.optional(v.picklist(['image', 'commit', 'erofs'])),
    /** `name=PATTERN` or `id=PREFIX`; all must match. */
    filter: texts,
    /** Output format: `json`, or a line with `{{.Field}}` for each row. */
    format: maybeText,
  }),
  report,
  examples: [
    { request: {}, says: 'List images and commits' },
    { request: { kind: 'commit' }, says: 'List only OSTree commits' },
    { request: { filter: ['name=app*'] }, says: 'List images by a pattern' },
    { request: { format: '{{.Name}} {{.ID}}' }, says: 'Print two columns, for a script' },
  ],
  async run(context, { kind, filter }) {
    const matches = filter.map(matcherOf);
    using repository = await openSelected(context);
    const isWanted = (one: CatalogRow) =>
      kind === undefined ||
      one.kind === kind ||
      (one.kind === 'partial' && kind === 'commit') ||
      (one.kind === 'index' && kind === 'image');
    const rows = listNamed(repository)
      .filter(isWanted)
      .filter((one) => matches.every((match) => match(one)));
    return {
      images: rows.filter((one) => one.kind !== 'partial').map((one) => rowOf(repository, one)),
      partial: rows
        .filter((one) => one.kind === 'partial')
        .map((one) => ({
          name: one.name,
          commit: one.commit,
          subpaths: orNull(one.subpaths),
          imageId: orNull(one.imageId),
        })),
    };
  },
});

/** The condition of a filter. @throws UsageError */
function matcherOf(filter: string): (row: CatalogRow) => boolean {
  const [, key = '', value = ''] = /^(\w+)=(.+)$/s.exec(filter) ?? [];
  if (key === 'name') {
    const pattern = value.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    const whole = new RegExp(`^${pattern.join('.*')}$`, 's');
    return ({ name }) => whole.test(name);
  }
  if (key === 'id') {
    const prefix = value.replace(/^sha256:/, '');
    return (row) => idsOf(row).some((id) => id?.replace(/^sha256:/, '').startsWith(prefix));
  }
  throw new UsageError(
    `Cannot read --filter: expected name=PATTERN or id=PREFIX, found "${filter}"`,
  );
}

/** The ids of a row that the list prints. */
function idsOf(row: CatalogRow): (string | undefined)[] {
  if (row.kind === 'image') return [row.manifestDigest];
  if (row.kind === 'index') return [row.indexDigest];
  return [row.kind === 'erofs' ? undefined : row.commit, row.imageId];
}

const NOTHING = {
  manifestDigest: null,
  configDigest: null,
  commit: null,
  streamId: null,
  imageId: null,
  platform: null,
  platforms: [],
  created: null,
  layers: [],
  downloadSizeBytes: 0,
  sizeBytes: null,
  referrers: 0,
  problem: null,
} as const;

function rowOf(repository: Repository, one: Exclude<CatalogRow, { kind: 'partial' }>): Row {
  const { name } = one;
  if (one.kind === 'erofs')
    return { ...NOTHING, name, kind: 'erofs', imageId: orNull(one.imageId) };
  if (one.kind === 'commit') {
    const { commit, streamId } = one;
    const ids = { streamId: orNull(streamId), imageId: orNull(one.imageId) };
    const sizeBytes = streamId === undefined ? null : sumOfStreams(repository, [streamId]);
    return { ...NOTHING, name, kind: 'commit', commit, ...ids, sizeBytes };
  }
  if (one.kind === 'index') return indexRow(repository, one);
  const { image, problem, manifestDigest, referrers } = one;
  return {
    ...NOTHING,
    name,
    kind: image === undefined ? null : image.config === undefined ? 'artifact' : 'image',
    manifestDigest,
    configDigest: orNull(image?.manifest.config.digest),
    imageId: orNull(image?.imageId(repository.formats.default)),
    platform: orNull(image?.config?.platform),
    created: orNull(image?.config?.created),
    layers: image?.layers.map(({ digest, diffId }) => ({ digest, diffId: orNull(diffId) })) ?? [],
    downloadSizeBytes: image?.manifest.layers.reduce((sum, layer) => sum + layer.sizeBytes, 0) ?? 0,
    sizeBytes: image === undefined ? null : layersSize(repository, image),
    referrers,
    problem: problemOf(problem),
  };
}

function problemOf(problem: OnecopyError | undefined) {
  return problem === undefined ? null : { code: problem.code, message: problem.message };
}

/** An index with the layers of all its images, each once. */
function indexRow(
  repository: Repository,
  { name, indexDigest, manifests, referrers, problem }: Extract<CatalogRow, { kind: 'index' }>,
): Row {
  const facts = { ...NOTHING, name, manifestDigest: indexDigest, referrers };
  const rest = { kind: manifests === undefined ? null : ('index' as const) };
  const platforms = (manifests ?? []).map(({ platform }) =>
    platform === undefined ? 'unknown' : formatPlatform(platform),
  );
  try {
    const stored = (manifests ?? []).map(({ digest }) => openOciImage(repository, `@${digest}`));
    const layers = new Map(
      stored.flatMap(({ layers: own, manifest }) =>
        own.map((layer, at) => [
          layer.digest,
          { layer, size: manifest.layers[at]?.sizeBytes ?? 0 },
        ]),
      ),
    );
    const all = [...layers.values()];
    return {
      ...facts,
      ...rest,
      platforms,
      layers: all.map(({ layer: { digest, diffId } }) => ({ digest, diffId: orNull(diffId) })),
      downloadSizeBytes: all.reduce((sum, { size }) => sum + size, 0),
      sizeBytes: sumOfStreams(
        repository,
        all.map(({ layer }) => layer.id),
      ),
      problem: problemOf(problem),
    };
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return { ...facts, kind: null, platforms, problem: problemOf(error) };
  }
}

/** Size of the distinct layers after decompression. Null when the stream of a layer cannot be read. */
function layersSize(repository: Repository, image: OciImage): number | null {
  return sumOfStreams(
    repository,
    image.layers.map(({ id }) => id),
  );
}

/** Sum of the sizes of distinct streams. Null when one of them is not known. */
function sumOfStreams(
  repository: Repository,
  ids: readonly OciImage['configStreamId'][],
): number | null {
  let sum = 0;
  for (const id of new Set(ids)) {
    const sizeBytes = repository.streams.sizeOf(id);
    if (sizeBytes === undefined) return null;
    sum += sizeBytes;
  }
  return sum;
}
