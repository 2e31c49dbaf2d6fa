import * as v from 'valibot';
import { byteStringFromText } from '#base/bytes';
import { inTurns } from '#base/flow';
import type { ImageView, ViewEntry } from '#work/browse';
import { findNamed, findWhole, type Named, openNamedView } from '#work/catalog';
import { openStoredInSteps } from '#work/commits';
import { type ImagePreview, previewImage } from '#work/preview';
import { openSource, parsePlatform, type ResolvedImage } from '#work/pull-image';
import type { Repository } from '#work/repository';
import {
  isRegistryReference,
  type RegistryRequest,
  refuseRegistryKeys,
  registryKeys,
  registryOptions,
} from './registry-keys.ts';
import { openIfPresent, openSelected } from './repository.ts';
import { compat, maybeText } from './schemas.ts';
import { refuseKeys, type VerbContext } from './verb.ts';

/** The files of an image or a commit of the repository, or of an image at its source. */
export interface OpenedFiles extends AsyncDisposable {
  readonly view: ImageView;
  /** The stored paths of a partial commit. */
  readonly subpaths?: readonly string[] | undefined;
  /** Makes the contents of files readable. */
  bring(entries: Iterable<ViewEntry>): Promise<void>;
}

/** Options for images outside of the repository. */
export const elsewhereKeys = { platform: maybeText, compat, ...registryKeys };
const filesRequest = v.object(elsewhereKeys);
type FilesRequest = v.InferOutput<typeof filesRequest>;

/** Transports whose images can be read at their source. */
const REFERENCE = /^(?:(?:oci|oci-archive|docker-archive|dir|containers-storage):|docker:\/\/)/;

/** True for a reference to an image outside of the repository. */
export function isReference(name: string): boolean {
  return REFERENCE.test(name);
}

/**
 * Opens the image or commit of a request: a name in the repository, or a reference, which needs no repository. Unless ids are needed, layers
 * of a registry are read by their TOCs.
 * @throws as `findNamed`, `openNamedView`, `previewImage`; UsageError for a platform of an image or commit that has only one
 */
export async function openFiles(
  context: VerbContext,
  name: string,
  request: FilesRequest,
  { needsIds = false }: { readonly needsIds?: boolean } = {},
): Promise<OpenedFiles> {
  if (isReference(name)) {
    return await openPreview(context, name, request, needsIds ? 'whole' : 'auto');
  }
  const { platform, ...rest } = request;
  refuseKeys(rest, Object.keys(elsewhereKeys), `read files of "${name}"`);
  const repository = await openSelected(context);
  try {
    const named = findOfPlatform(repository, name, platform);
    const subpaths = await noteOnly(context, repository, named);
    const view = await openNamedView(repository, named, context);
    view.name = name;
    return {
      view,
      subpaths,
      async bring() {},
      [Symbol.asyncDispose]: async () => repository[Symbol.dispose](),
    };
  } catch (error) {
    repository[Symbol.dispose]();
    throw error;
  }
}

/**
 * Finds a name, and of an index the image for a platform.
 * @throws UsageError for a platform of something that has only one; as `findNamed`
 */
export function findOfPlatform(
  repository: Repository,
  name: string,
  platform: string | undefined,
): Named {
  if (platform === undefined) return findNamed(repository, name);
  if (findWhole(repository, name).kind !== 'index') {
    refuseKeys({ platform }, ['platform'], `choose from "${name}"`);
  }
  return findNamed(repository, name, { platform: parsePlatform(platform) });
}

/** Reads the files of an image at its source. @throws as `previewImage` */
export async function openPreview(
  context: VerbContext,
  name: string,
  request: FilesRequest,
  strategy: 'auto' | 'whole',
): Promise<ImagePreview> {
  const { signal, onProgress } = context;
  const { platform, compat: reading } = request;
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  const form = await formOf(context);
  if (!isRegistryReference(name)) refuseRegistryKeys(request, `read files of "${name}"`);
  const registry = registryOptions(request);
  const choice = { ...form, platform: wanted, reading, registry, strategy };
  const preview = await previewImage(name, { signal, onProgress, ...choice });
  preview.view.name = name;
  return preview;
}

/** What says which image elsewhere is meant, and how it is asked for. */
type ReferenceRequest = Pick<FilesRequest, 'platform'> & RegistryRequest;

/** Chooses the image that a reference names, and reads its manifest and config; no layer. @throws as `openSource` and resolving it */
export async function resolveReference(
  context: VerbContext,
  name: string,
  request: ReferenceRequest,
): Promise<ResolvedImage> {
  const { platform } = request;
  if (!isRegistryReference(name)) refuseRegistryKeys(request, `look at "${name}"`);
  await using opened = await openSource(name, { registry: registryOptions(request) });
  for (const warning of opened.source.warnings ?? []) context.warn(warning);
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  return await opened.source.resolve({ platform: wanted, signal: context.signal });
}

/** Notes which paths of a partial commit are stored, and returns them. */
export async function noteOnly(
  { onProgress, signal }: VerbContext,
  repository: Repository,
  named: Named,
): Promise<readonly string[] | undefined> {
  if (named.kind !== 'commit') return undefined;
  const { subpaths } = await inTurns(openStoredInSteps(repository, named.commit), { signal });
  if (subpaths === undefined) return undefined;
  const what = subpaths.length === 0 ? 'commit object only' : subpaths.join(' ');
  onProgress({ type: 'note', text: `only: ${what}` });
  return subpaths;
}

/** Hash and EROFS version of the selected repository, so that ids equal those of the repository. */
async function formOf(context: VerbContext) {
  using repository = await openIfPresent(context, true);
  if (repository === undefined) return {};
  return { algorithm: repository.algorithm, version: repository.formats.default };
}

/** A path of a request, from the root when it is absent. */
export function pathOf(path: string | undefined) {
  return byteStringFromText(path ?? '/');
}
