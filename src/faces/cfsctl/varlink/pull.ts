import type { ObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import type { ProgressEvent } from '#base/flow';
import { type Answer, Frames, type MethodCall } from '#faces/varlink';
import { buildBootImages, matchBootImage } from '#work/boot';
import { bootSlot, type XattrMode } from '#work/image';
import { type PullReport, pullImage, type ReflinkPolicy } from '#work/pull-image';
import type { Repository } from '#work/repository';
import { statsOf } from '../oci/units.ts';
import { localFetch, refuseObjectId } from '../oci/values.ts';
import type { Handles } from './handles.ts';
import { xattrModeOf } from './values.ts';

/** Parameters of a call. */
interface PullRequest {
  readonly reference: string;
  readonly reflink: ReflinkPolicy;
  readonly name: string;
  readonly isBootable: boolean;
  readonly xattrs: XattrMode;
  readonly expected: ObjectId | undefined;
}

/** `Pull`: progress as replies that others follow, and the result as the last one. */
export async function pullFor(handles: Handles, call: MethodCall): Promise<Answer> {
  return await handles.use(call, 'long', async (repository) => {
    const request = requestOf(handles, call, repository);
    const frames = new Frames(call);
    const version = repository.formats.default;
    const bootImages = (image: string) => buildBootImages(repository, image, request.xattrs);
    const isBuilt = request.isBootable && request.expected === undefined;
    const report = await pullImage(repository, request.reference, {
      name: request.name,
      reading: 'cfsctl',
      reflink: request.reflink,
      likeUpstream: {
        moreImages: isBuilt ? bootImages : undefined,
        onStep: (step, count) => {
          const message = stepText(step, count, request.reference);
          frames.add(`message ${message}`, { message });
        },
      },
      signal: call.signal,
      onProgress: (event) => {
        const frame = frameOf(event);
        if (frame !== undefined) frames.add(...frame);
      },
    }).finally(() => frames.flush());
    const boot = isBuilt
      ? {
          boot_image: report.imageIds[bootSlot(version, request.xattrs)] ?? null,
          boot_image_mode: request.xattrs,
          boot_image_format_version: `V${version}`,
        }
      : await matched(handles, repository, report, request);
    return { parameters: { completed: { ...resultOf(report), ...boot } } };
  });
}

function requestOf(
  handles: Handles,
  { parameters }: MethodCall,
  repository: Repository,
): PullRequest {
  const reference = parameters['image'] as string;
  const expected = (parameters['expected_digest'] as string | null) ?? undefined;
  const isBootable = parameters['bootable'] === true;
  const xattrs = xattrModeOf(parameters['xattrs']);
  if (expected !== undefined && !isBootable) {
    throw handles.error('InvalidRequest', { message: 'expected_digest requires bootable' });
  }
  if (expected !== undefined && xattrs !== undefined) {
    const message =
      'expected_digest and xattrs are mutually exclusive: expected_digest searches every mode';
    throw handles.error('InvalidRequest', { message });
  }
  const reason =
    expected === undefined ? undefined : refuseObjectId(expected, repository.algorithm);
  if (reason !== undefined) {
    throw handles.error('InvalidDigest', { message: `invalid expected_digest: ${reason}` });
  }
  return {
    reference: inStore(reference, (parameters['storage_root'] as string | null) ?? undefined),
    reflink: localFetch(parameters['local_fetch'] as string),
    name: (parameters['name'] as string | null) ?? reference,
    isBootable,
    xattrs: xattrs ?? 'allowlist-only',
    expected: expected as ObjectId | undefined,
  };
}

const STORE = 'containers-storage:';

/** A reference to podman's store, in the store of the call; one that names its own store keeps it. */
function inStore(reference: string, storageRoot: string | undefined): string {
  const name = reference.slice(STORE.length);
  const isOpen = reference.startsWith(STORE) && !name.startsWith('[');
  return storageRoot === undefined || !isOpen ? reference : `${STORE}[${storageRoot}]${name}`;
}

function resultOf(report: PullReport) {
  return {
    manifest_digest: report.manifestDigest,
    config_digest: report.configDigest,
    manifest_verity: report.firstManifestStreamId,
    config_verity: report.firstConfigStreamId,
    stats: statsOf(report),
  };
}

async function matched(
  handles: Handles,
  repository: Repository,
  report: PullReport,
  { expected }: PullRequest,
) {
  if (expected === undefined) {
    return { boot_image: null, boot_image_mode: null, boot_image_format_version: null };
  }
  try {
    const found = await matchBootImage(repository, `@${report.manifestDigest}`, expected);
    return {
      boot_image: found.id,
      boot_image_mode: found.xattrs,
      boot_image_format_version: `V${found.version}`,
    };
  } catch (error) {
    if (!hasCode(error, 'BOOT_IMAGE_NOT_MATCHED')) throw error;
    const { tried } = error.details;
    throw handles.error('BootImageMismatch', { expected, tried });
  }
}

/** A layer or a blob: progress of other components is not sent to clients. */
const COMPONENT = /^sha\d+:/;

function stepText(step: 'layers' | 'documents', count: number, reference: string): string {
  if (step === 'documents') return 'Storing manifest';
  return `Importing ${count} layers${reference.startsWith('oci:') ? ' from OCI layout' : ''}`;
}

/** A frame and its key: a later frame replaces an unsent frame of the same key. */
function frameOf(
  event: ProgressEvent,
): readonly [key: string, parameters: Readonly<Record<string, unknown>>] | undefined {
  if (event.type === 'note') return undefined;
  if (!COMPONENT.test(event.id)) return undefined;
  const { id } = event;
  switch (event.type) {
    case 'started': {
      const unit = event.unit === 'bytes' ? 'Bytes' : 'Items';
      return [`started ${id}`, { started: { id, total: event.total ?? null, unit } }];
    }
    case 'advanced':
      return [
        `progress ${id}`,
        { progress: { id, fetched: event.done, total: event.total ?? null } },
      ];
    case 'skipped':
      return [`skipped ${id}`, { skipped: { id } }];
    case 'done':
      return [`done ${id}`, { done: { id, transferred: event.transferred } }];
  }
}
