import * as v from 'valibot';
import type { ContentDigest } from '#base/digest';
import { UsageError } from '#base/errors';
import {
  computeNamedId,
  ensureNamedImage,
  findWhole,
  type Named,
  openNamedView,
  treeOfNamed,
} from '#work/catalog';
import type { ContainersReference } from '#work/containers';
import {
  type DirectoryReport,
  exportDirectory,
  exportImage,
  exportIndex,
  exportTree,
  type ExportReport as ImageExport,
  type IndexExportReport,
  type LocalReference,
  type OstreeReference,
  parseReference,
} from '#work/export';
import { OSTREE_MODES } from '#work/export-commit';
import { openOciImage } from '#work/image';
import { ROUTE_CHOICES } from '#work/synthesize';
import { checkoutReport } from './checkout-report.ts';
import {
  CONTAINERS_KEYS,
  containersReport,
  planContainers,
  writeContainers,
} from './export-containers.ts';
import {
  COMMIT_KEYS,
  isOstree,
  OSTREE_KEYS,
  ostreeReport,
  planOstree,
  writeOstree,
} from './export-ostree.ts';
import { findOfPlatform, noteOnly } from './files.ts';
import { imageCopyFacts } from './image-copy-report.ts';
import { REFLINK_POLICIES } from './pull.ts';
import { type PushRequest, planPush, pushReports, runPush } from './push.ts';
import { isRegistryReference, registryKeys } from './registry-keys.ts';
import { openSelected } from './repository.ts';
import { compat, flag, maybeText, orNull, text } from './schemas.ts';
import { defineVerb, refuseKeys, type VerbContext } from './verb.ts';

/** Compression of layers without a stored blob. */
export const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const;

const request = v.strictObject({
  name: text,
  /** `docker://`, `oci:`, `oci-archive:`, `dir:`, `containers-storage:` or `ostree-local:PATH[:REF]`, or the absolute path of a plain directory. */
  target: text,
  compression: v.optional(v.picklist(COMPRESSIONS)),
  /** False: do not restore owners in a plain directory. */
  owners: v.optional(v.boolean()),
  /** Mode of an OSTree repository that is created. */
  mode: v.optional(v.picklist(OSTREE_MODES)),
  /** Only for an OSTree repository: how layers become a commit; default `synthesis`. */
  route: v.optional(v.picklist(ROUTE_CHOICES)),
  /** Omit the contents of these directories. */
  emptyBoot: flag,
  emptySysroot: flag,
  keepUserXattrs: flag,
  compat,
  /** Only for other stores: `auto` (default) reflinks or copies, `always` refuses to copy, `never` copies. */
  reflink: v.optional(v.picklist(REFLINK_POLICIES)),
  /** Of an index that was pulled with all platforms: only this image. */
  platform: maybeText,
  /** Not for containers-storage, OSTree and directories. */
  forceCompression: v.optional(v.picklist([...COMPRESSIONS, 'zstd:chunked'])),
  /** Only for a registry: as `push` takes them. */
  sameDigest: flag,
  withReferrers: flag,
  ...registryKeys,
});
export type ExportRequest = v.InferOutput<typeof request>;

const plannedReport = v.object({
  dryRun: v.literal(true),
  kind: v.picklist(['image', 'directory', 'ostree', 'containers-storage']),
  name: text,
  target: text,
  /** Digest of what would be written: the manifest of an image, or the EROFS image of a directory. */
  manifestDigest: v.optional(text),
  imageId: v.optional(text),
  commit: v.optional(text),
  path: v.optional(text),
  ref: v.optional(v.nullable(text)),
});
const directoryReport = v.object({
  dryRun: v.literal(false),
  kind: v.literal('directory'),
  /** Only of a commit. */
  commit: v.optional(text),
  ...checkoutReport,
});
const imageReport = v.object({
  dryRun: v.literal(false),
  kind: v.literal('image'),
  transport: v.picklist(['oci', 'oci-archive', 'docker-archive', 'dir']),
  path: text,
  tag: v.nullable(text),
  ...imageCopyFacts(['present', 'reflinked', 'copied', 'rebuilt', 'repacked']),
});
const kindRegistry = { kind: v.literal('registry') };
const registryReport = v.union([
  v.object({ ...kindRegistry, ...pushReports.planned }),
  v.object({ ...kindRegistry, ...pushReports.pushed }),
]);
const report = v.union([
  plannedReport,
  directoryReport,
  imageReport,
  ostreeReport,
  containersReport,
  registryReport,
]);
export type ExportReport = v.InferOutput<typeof report>;

/** `export`: writes an image to a layout or an archive, or an image or a commit to a plain directory. */
export const exportVerb = defineVerb({
  request,
  report,
  examples: [
    { request: { name: 'app', target: 'oci:out:v1' }, says: 'Write an image into an OCI layout' },
    {
      request: { name: 'os', target: '/tmp/os', owners: false },
      says: 'Write the files of a commit into a directory',
    },
    {
      request: { name: 'app', target: 'containers-storage:localhost/app:2' },
      says: 'Give an image to podman, sharing its files',
    },
  ],
  async plan(context, asked) {
    if (isRegistryReference(asked.target)) {
      return { kind: 'registry' as const, ...(await planPush(context, pushRequest(asked))) };
    }
    const place = placeOf(asked);
    using repository = await openSelected(context);
    const index = wholeIndex(repository, asked, place);
    if (index !== undefined) {
      const { name, target } = asked;
      const facts = { kind: 'image' as const, name, target, manifestDigest: index };
      return { dryRun: true as const, ...facts };
    }
    const named = findOfPlatform(repository, asked.name, asked.platform);
    await noteOnly(context, repository, named);
    const { name, target } = asked;
    if (isOstree(place)) return planOstree(repository, asked, { place, named });
    if (isContainers(place)) {
      return planContainers(repository, asked, { place, image: imageNameOf(asked, named) });
    }
    if (typeof place === 'string') {
      const choice = { reading: asked.compat };
      const imageId = readsAs(asked, named)
        ? await computeNamedId(repository, named, choice, context)
        : (await openNamedView(repository, named, context)).imageId;
      const rest = { imageId, path: place, ...commitOf(named) };
      return { dryRun: true as const, kind: 'directory' as const, name, target, ...rest };
    }
    const { manifestDigest } = openOciImage(repository, imageNameOf(asked, named));
    const plan = { dryRun: true as const, kind: 'image' as const, name, target };
    // The digest of a manifest whose layers are compressed again is not known before.
    return asked.forceCompression === undefined ? { ...plan, manifestDigest } : plan;
  },
  async run(context, asked) {
    if (isRegistryReference(asked.target)) {
      return { kind: 'registry' as const, ...(await runPush(context, pushRequest(asked))) };
    }
    const place = placeOf(asked);
    using repository = await openSelected(context);
    const index = wholeIndex(repository, asked, place);
    if (
      index !== undefined &&
      typeof place !== 'string' &&
      !isOstree(place) &&
      !isContainers(place)
    ) {
      return imageReportOf(await exportIndex(repository, index, place, context));
    }
    const named = findOfPlatform(repository, asked.name, asked.platform);
    await noteOnly(context, repository, named);
    if (isOstree(place)) return await writeOstree(context, repository, asked, { place, named });
    if (isContainers(place)) {
      const image = imageNameOf(asked, named);
      return await writeContainers(context, repository, asked, { place, image });
    }
    if (typeof place === 'string') {
      const done = await writeDirectory(context, place, asked, { repository, named });
      const kind = 'directory' as const;
      return { dryRun: false as const, kind, ...commitOf(named), ...done };
    }
    return await writeImage(context, place, asked, { repository, named });
  },
});

/** What is exported. */
interface Exported {
  readonly repository: Parameters<typeof exportImage>[0];
  readonly named: Named;
}

async function writeDirectory(
  { signal, onProgress }: VerbContext,
  place: string,
  asked: ExportRequest,
  { repository, named }: Exported,
): Promise<DirectoryReport> {
  const options = { signal, onProgress, owners: asked.owners };
  if (readsAs(asked, named)) {
    const choice = { reading: asked.compat };
    const tree = await treeOfNamed(repository, named, choice, options);
    const imageId = await computeNamedId(repository, named, choice, options);
    return await exportTree(repository, { imageId, tree }, place, options);
  }
  const { imageId } = await ensureNamedImage(repository, named, { signal });
  return await exportDirectory(repository, imageId, place, options);
}

/**
 * True if the files of an image shall be read as another program reads its layers. Commits and EROFS images have no layers. The readings of
 * a commit differ only in a NUL at the end of attribute names, which no filesystem can store. @throws UsageError for other kinds
 */
function readsAs({ compat, name, target }: ExportRequest, named: Named): boolean {
  if (compat === undefined || named.kind === 'image') return compat !== undefined;
  throw new UsageError(
    `Cannot export "${name}" to "${target}": --compat applies to container images, found a ${named.kind}`,
  );
}

async function writeImage(
  { signal, onProgress, warn }: VerbContext,
  place: LocalReference,
  asked: ExportRequest,
  { repository, named }: Exported,
): Promise<v.InferOutput<typeof imageReport>> {
  const { compression, forceCompression } = asked;
  const options = { signal, onProgress, compression, forceCompression, onWarning: warn };
  return imageReportOf(await exportImage(repository, imageNameOf(asked, named), place, options));
}

function imageReportOf(done: ImageExport | IndexExportReport): v.InferOutput<typeof imageReport> {
  return {
    dryRun: false,
    kind: 'image',
    ...done,
    tag: orNull(done.tag),
    configDigest: 'configDigest' in done ? done.configDigest : null,
    manifests: 'manifests' in done ? [...done.manifests] : [],
    layers: done.layers.map((layer) => ({ ...layer, diffId: orNull(layer.diffId) })),
  };
}

/** The index that a layout or archive gets with all of its images. @throws UsageError; as `findWhole` */
function wholeIndex(
  repository: Parameters<typeof exportImage>[0],
  asked: ExportRequest,
  place: Place,
): ContentDigest | undefined {
  const isOther = typeof place === 'string' || isOstree(place) || isContainers(place);
  if (isOther || asked.platform !== undefined) return undefined;
  const whole = findWhole(repository, asked.name);
  if (whole.kind !== 'index') return undefined;
  refuseKeys(asked, PACKING_KEYS, `export the index "${asked.name}"`);
  return whole.indexDigest;
}

/** The name of an image, the only kind that layouts and archives can store. @throws UsageError */
function imageNameOf({ name, target }: ExportRequest, named: Named): string {
  if (named.kind === 'image') return `@${named.manifestDigest}`;
  throw new UsageError(
    `Cannot export "${name}" to "${target}": expected a container image, found a ${named.kind}`,
    named.kind === 'commit'
      ? 'To write a commit, use `onecopy ostree export`, or export to a plain directory'
      : 'Export to a plain directory to write its files',
  );
}

function commitOf(named: Named): { readonly commit?: string } {
  return named.kind === 'commit' ? { commit: named.commit } : {};
}

/** Options for the compression of layers. */
const PACKING_KEYS = ['compression', 'forceCompression'] as const;
/** Options that only a registry has. */
const REGISTRY_KEYS = ['sameDigest', 'withReferrers', ...Object.keys(registryKeys)] as const;

/** An export into a registry is a push. @throws UsageError for options of other kinds */
function pushRequest(asked: ExportRequest): PushRequest {
  refuseKeys(asked, ['owners', ...CONTAINERS_KEYS, ...OSTREE_KEYS], `export to "${asked.target}"`);
  const { name, target, platform, compression, forceCompression } = asked;
  const { sameDigest, withReferrers } = asked;
  const { tlsVerify, authfile, certDir, creds, registriesConf } = asked;
  const registry = { tlsVerify, authfile, certDir, creds, registriesConf };
  const how = { compression, forceCompression, sameDigest, withReferrers };
  return { name, target, platform, ...how, ...registry };
}

type Place = LocalReference | OstreeReference | ContainersReference | string;

function isContainers(place: Place): place is ContainersReference {
  return typeof place !== 'string' && place.transport === 'containers-storage';
}

/** A layout, an archive, another store, or the path of a plain directory. Options for other kinds are refused. */
function placeOf(asked: ExportRequest): Place {
  const { target } = asked;
  const subject = `export to "${target}"`;
  refuseKeys(asked, REGISTRY_KEYS, subject);
  if (!/^[a-z][a-z-]+:/.test(target)) {
    refuseKeys(asked, [...PACKING_KEYS, ...CONTAINERS_KEYS, ...COMMIT_KEYS], subject);
    return target;
  }
  const reference = parseReference(target);
  const isCommit = reference.transport === 'ostree-local';
  const isStored = reference.transport === 'containers-storage';
  const others = [
    'owners',
    ...(isCommit || isStored ? PACKING_KEYS : []),
    ...(isCommit ? [] : OSTREE_KEYS),
    ...(isStored || isCommit ? [] : CONTAINERS_KEYS),
  ];
  refuseKeys(asked, others, subject);
  switch (reference.transport) {
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
    case 'dir':
    case 'ostree-local':
    case 'containers-storage':
      return reference;
    default:
      throw new UsageError(
        `Cannot export to "${target}": expected docker://, oci:, oci-archive:, dir:, containers-storage:, ostree-local: or the path of a directory`,
      );
  }
}
