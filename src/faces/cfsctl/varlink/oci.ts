import { availableParallelism } from 'node:os';
import type { ContentDigest, DiffId } from '#base/digest';
import { hasCode } from '#base/errors';
import type { Answer, Method, MethodCall, OpenRepositories, ServedInterface } from '#faces/varlink';
import { parseInterface } from '#formats/varlink';
import { computeBootImageId } from '#work/boot';
import { checkOciImages, checkRepository } from '#work/check';
import { bootSlot, computeImageId, imageSlot, type OciImage, type XattrMode } from '#work/image';
import type { Repository } from '#work/repository';
import { ociFsckDocument } from '../oci/fsck-report.ts';
import { inspectionOf, listedImages, removeTag, tagManifest } from '../oci/look.ts';
import { openByBareDigest, openByConfig, openByManifest } from '../oci/names.ts';
import { refuseDigest } from '../oci/values.ts';
import { OCI } from './descriptions.ts';
import { Handles } from './handles.ts';
import { completeLayerChoice, LayerMethods } from './layers.ts';
import { mountFor, refuseFiles } from './mount.ts';
import { pullFor } from './pull.ts';
import { requireVerityId, xattrModeOf } from './values.ts';

/** Source: oci-and-cli section 5.5. */
const FEATURES = ['splitdirfdstream-v0'] as const;

/** `org.composefs.Oci`. */
export function ociInterface(repositories: OpenRepositories): ServedInterface {
  const described = parseInterface(OCI);
  const handles = new Handles(repositories, described.name);
  const layers = new LayerMethods(handles);
  const short = (work: (call: MethodCall, repository: Repository) => Promise<Answer>): Method => ({
    run: (call) => handles.use(call, 'short', (repository) => work(call, repository)),
  });
  const methods: Readonly<Record<string, Method>> = {
    ListImages: short(async ({ parameters }, repository) => listImages(parameters, repository)),
    Check: { isLong: true, run: (call) => check(handles, call) },
    Inspect: short(async ({ parameters }, repository) => {
      const image = openNamed(handles, repository, parameters['image'] as string);
      const found = inspectionOf(repository, image);
      return { parameters: { ...found, referrers: found.referrers.map(({ digest }) => digest) } };
    }),
    Tag: short(async ({ parameters }, repository) => {
      const digest = parameters['manifest_digest'] as ContentDigest;
      const reason = refuseDigest(digest);
      if (reason !== undefined) {
        throw handles.error('InternalError', { message: `invalid digest: ${reason}` });
      }
      tagManifest(repository, digest, parameters['name'] as string);
      return {};
    }),
    Untag: short(async ({ parameters }, repository) => {
      removeTag(repository, parameters['name'] as string);
      return {};
    }),
    ComputeId: { isLong: true, run: (call) => computeId(handles, call) },
    Pull: { isLong: true, run: (call) => pullFor(handles, call) },
    OciMount: short(async (call, repository) => mountImage(handles, call, repository)),
    GetInfo: { run: async () => ({ parameters: { features: FEATURES } }) },
    HasLayer: short(async ({ parameters }, repository) =>
      hasLayer(handles, parameters, repository),
    ),
    GetLayer: { run: (call) => layers.get(call), complete: completeLayerChoice },
    PutLayer: { run: (call) => layers.put(call) },
    FinalizeImage: {
      isLong: true,
      run: (call) => handles.use(call, 'long', (repository) => layers.finalize(call, repository)),
    },
  };
  return { described, methods, explain: handles.explain };
}

function listImages(parameters: MethodCall['parameters'], repository: Repository): Answer {
  const filter = (parameters['filter'] as string | null) ?? '';
  const images = listedImages(repository).filter(({ name }) => name.includes(filter));
  return { parameters: { images } };
}

async function check(handles: Handles, call: MethodCall): Promise<Answer> {
  const { parameters, signal } = call;
  const image = parameters['image'] as string | null | undefined;
  return await handles.use(call, 'long', async (repository) => {
    const report = await checkRepository(repository, { signal, workers: availableParallelism() });
    const names = image == null ? repository.tags.list().map(({ name }) => name) : [image];
    const images = await checkOciImages(repository, { signal, names });
    return { parameters: { ...ociFsckDocument(report, images) } };
  });
}

/** @throws CallError NoSuchImage for a missing tag */
function openNamed(handles: Handles, repository: Repository, image: string): OciImage {
  try {
    return openByManifest(repository, image);
  } catch (error) {
    const isTag = !image.startsWith('@');
    if (isTag && hasCode(error, 'IMAGE_NOT_FOUND')) throw handles.error('NoSuchImage', { image });
    throw error;
  }
}

async function computeId(handles: Handles, call: MethodCall): Promise<Answer> {
  const { parameters } = call;
  return await handles.use(call, 'long', async (repository) => {
    const image = openByConfig(repository, parameters['image'] as string);
    requireVerityId(handles, parameters['verity'], repository, image);
    const xattrs: XattrMode = xattrModeOf(parameters['xattrs']) ?? 'allowlist-only';
    const id =
      parameters['bootable'] === true
        ? await computeBootImageId(repository, image, { xattrs })
        : await computeImageId(repository, `@${image.manifestDigest}`, {
            xattrs,
            reading: 'cfsctl',
          });
    return { parameters: { image_id: id } };
  });
}

function mountImage(handles: Handles, call: MethodCall, repository: Repository): Answer {
  const name = call.parameters['image'] as string;
  const wrong = refuseFiles(call);
  if (wrong !== undefined) {
    const { wanted, found } = wrong;
    const message = `OciMount expects ${wanted} fds for the requested options, got ${found}`;
    throw handles.error('InvalidRequest', { message });
  }
  const image = openMounted(handles, repository, name);
  const isBootable = call.parameters['bootable'] === true;
  const version = repository.formats.default;
  const id = image.images.get(
    isBootable ? bootSlot(version, 'allowlist-only') : imageSlot(version),
  );
  if (id !== undefined) return mountFor(call, repository, id, id);
  const kind = isBootable ? 'boot' : 'composefs';
  throw handles.error('InternalError', { message: `No ${kind} EROFS image linked` });
}

function openMounted(handles: Handles, repository: Repository, name: string): OciImage {
  try {
    return openByBareDigest(repository, name);
  } catch (error) {
    // A name with @ cannot be a tag.
    const isMissing = hasCode(error, 'IMAGE_NOT_FOUND') || hasCode(error, 'REF_NAME_INVALID');
    if (!isMissing) throw error;
    throw handles.error('NoSuchImage', { image: `${name}: OCI reference not found: ${name}` });
  }
}

function hasLayer(
  handles: Handles,
  parameters: MethodCall['parameters'],
  repository: Repository,
): Answer {
  const diffId = parameters['diff_id'] as DiffId;
  const message = refuseDigest(diffId);
  if (message !== undefined) throw handles.error('InvalidDigest', { message });
  const id = repository.streams.idOf(`oci-layer-${diffId}`);
  return { parameters: { present: id !== undefined, layer_verity: id ?? null } };
}
