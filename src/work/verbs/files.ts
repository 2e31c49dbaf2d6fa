import * as v from 'valibot';
import { byteStringFromText } from '#base/bytes';
import type { ImageView, ViewEntry } from '#work/browse';
import { findNamed, type Named, openNamedView } from '#work/catalog';
import { openStored } from '#work/commits';
import { previewImage } from '#work/preview';
import { parsePlatform } from '#work/pull-image';
import type { Repository } from '#work/repository';
import {
  isRegistryReference,
  refuseRegistryKeys,
  registryKeys,
  registryOptions,
} from './registry-keys.ts';
import { openIfPresent, openSelected } from './repository.ts';
import { compat, maybeText } from './schemas.ts';
import { refuseKeys, type VerbContext } from './verb.ts';

/** The files of an image or a commit of the repository, or of an image that lies elsewhere. */
export interface OpenedFiles extends AsyncDisposable {
  readonly view: ImageView;
  /** The paths of a commit of which not everything is here. */
  readonly subpaths?: readonly string[] | undefined;
  /** Makes the contents of files readable. */
  bring(entries: Iterable<ViewEntry>): Promise<void>;
}

/** What says how an image outside of the repository is looked at. */
export const elsewhereKeys = { platform: maybeText, compat, ...registryKeys };
const filesRequest = v.object(elsewhereKeys);
type FilesRequest = v.InferOutput<typeof filesRequest>;

/** References whose images can be looked at where they lie. */
const REFERENCE = /^(?:(?:oci|oci-archive|docker-archive|dir):|docker:\/\/)/;

/** True for what lies outside of the repository. */
export function isReference(name: string): boolean {
  return REFERENCE.test(name);
}

/**
 * Opens what a request names: something of the repository, or a reference, which needs no repository.
 * @throws as `findNamed`, `openNamedView`, `previewImage`; UsageError for a platform of what has only one
 */
export async function openFiles(
  context: VerbContext,
  name: string,
  request: FilesRequest,
): Promise<OpenedFiles> {
  const { signal, onProgress } = context;
  if (isReference(name)) {
    const { platform, compat: reading } = request;
    const wanted = platform === undefined ? undefined : parsePlatform(platform);
    const form = await formOf(context);
    if (!isRegistryReference(name)) refuseRegistryKeys(request, `look into "${name}"`);
    const registry = registryOptions(request);
    const choice = { ...form, platform: wanted, reading, registry };
    return await previewImage(name, { signal, onProgress, ...choice });
  }
  refuseKeys({ ...request }, Object.keys(elsewhereKeys), `look into "${name}"`);
  const repository = await openSelected(context);
  try {
    const named = findNamed(repository, name);
    const subpaths = noteOnly(context, repository, named);
    const view = openNamedView(repository, named);
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

/** Says of a commit of which not everything is here what is, and returns that. */
export function noteOnly(
  { onProgress }: VerbContext,
  repository: Repository,
  named: Named,
): readonly string[] | undefined {
  if (named.kind !== 'commit') return undefined;
  const { subpaths } = openStored(repository, named.commit);
  if (subpaths === undefined) return undefined;
  const what = subpaths.length === 0 ? 'commit object only' : subpaths.join(' ');
  onProgress({ type: 'note', text: `only: ${what}` });
  return subpaths;
}

/** The hash and the version that the selected repository would use, so that ids are those that it has or would have. */
async function formOf(context: VerbContext) {
  using repository = await openIfPresent(context, true);
  if (repository === undefined) return {};
  return { algorithm: repository.algorithm, version: repository.formats.default };
}

/** A path of a request, from the root when it is absent. */
export function pathOf(path: string | undefined) {
  return byteStringFromText(path ?? '/');
}
