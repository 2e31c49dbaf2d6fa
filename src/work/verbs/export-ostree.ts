import * as v from 'valibot';
import { UsageError } from '#base/errors';
import type { Named } from '#work/catalog';
import type { OstreeReference } from '#work/export';
import { OSTREE_MODES } from '#work/export-commit';
import { openOciImage } from '#work/image';
import type { Repository } from '#work/repository';
import { COMMIT_ROUTES, imageRefName, synthesizeCommit } from '#work/synthesize';
import type { ExportRequest } from './export.ts';
import { count, list, orNull, text } from './schemas.ts';
import type { VerbContext } from './verb.ts';

/** Keys that apply to OSTree repositories only. */
export const COMMIT_KEYS = ['mode', 'route', 'emptyBoot', 'emptySysroot', 'keepUserXattrs'];
/** Keys that apply to OSTree repositories, but not to layouts, archives and registries, which get the layers as they are. */
export const OSTREE_KEYS = [...COMMIT_KEYS, 'compat'];

/** Report of an export of an image as a commit of an OSTree repository. */
export const ostreeReport = v.object({
  dryRun: v.literal(false),
  kind: v.literal('ostree'),
  route: v.picklist(COMMIT_ROUTES),
  commit: text,
  rootTree: text,
  rootMeta: text,
  manifestDigest: text,
  path: text,
  mode: v.picklist(OSTREE_MODES),
  created: v.boolean(),
  refs: list(text),
  /** True when the image has an SELinux policy, whose labels the files get. */
  isLabelled: v.boolean(),
  /** Files with more than 64 bytes; each object of the commit counts once. */
  external: v.object({
    reflinkedFiles: count,
    reflinkedBytes: count,
    copiedFiles: count,
    copiedBytes: count,
    /** Already there, or equal to another file of the image. */
    presentFiles: count,
    presentBytes: count,
  }),
  metadataWritten: count,
  filesWritten: count,
  filesReflinked: count,
  objectsPresent: count,
  contentBytes: count,
});

/** Where to, and what. */
interface Export {
  readonly place: OstreeReference;
  readonly named: Named;
}

/** True for an OSTree repository. */
export function isOstree<T>(place: T | OstreeReference): place is OstreeReference {
  return typeof place === 'object' && place !== null && 'location' in place;
}

/** What `writeOstree` would do. */
export function planOstree(repository: Repository, { name, target }: ExportRequest, to: Export) {
  const { manifestDigest } = openOciImage(repository, imageOf(name, to));
  const ref = orNull(to.place.ref ?? defaultRef(name));
  const place = { path: to.place.location, ref };
  return { dryRun: true as const, kind: 'ostree' as const, name, target, manifestDigest, ...place };
}

/** Makes the commit. @throws as `synthesizeCommit` */
export async function writeOstree(
  { signal, onProgress, jobs }: VerbContext,
  repository: Repository,
  asked: ExportRequest,
  to: Export,
): Promise<v.InferOutput<typeof ostreeReport>> {
  const ref = to.place.ref ?? defaultRef(asked.name);
  if (asked.route === 'classic' && asked.compat !== undefined) {
    throw new UsageError(
      'Cannot use --compat with --route classic, which reads layers as ostree-ext does',
    );
  }
  const done = await synthesizeCommit(repository, imageOf(asked.name, to), to.place.location, {
    signal,
    onProgress,
    jobs,
    reflink: asked.reflink,
    refs: ref === undefined ? [] : [ref],
    createMode: asked.mode,
    route: asked.route,
    reading: asked.compat,
    emptyBoot: asked.emptyBoot,
    emptySysroot: asked.emptySysroot,
    xattrs: asked.keepUserXattrs === true ? 'keep-user-xattrs' : undefined,
  });
  return { dryRun: false, kind: 'ostree', ...done };
}

function imageOf(name: string, { named }: Export): string {
  if (named.kind === 'image') return `@${named.manifestDigest}`;
  throw new UsageError(
    `Cannot make a commit of "${name}": expected a container image, found a ${named.kind}`,
    'To write a commit, use: onecopy ostree export',
  );
}

/** The ref that bootc and rpm-ostree use for the image; undefined for a digest. */
function defaultRef(name: string): string | undefined {
  return name.startsWith('@') ? undefined : imageRefName(`docker://${name}`);
}
