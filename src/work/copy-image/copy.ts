import type { ContentDigest } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { type OperationOptions, pool } from '#base/flow';
import type { Descriptor, Platform } from '#formats/oci';
import type { RegistryOptions } from '#work/registries';
import type { RegistryImageOptions } from '#work/registry-image';
import type { TrustReport } from '#work/trust';
import { type CopyPlan, planCopy } from './plan.ts';
import { type CopySource, openCopySource } from './source.ts';
import { type CopyMethod, type CopyTarget, openCopyTarget } from './target.ts';

export type { CopyMethod } from './target.ts';

/** How to copy. */
export interface CopyOptions extends OperationOptions {
  /** The image to take of several; this host's when omitted. */
  readonly platform?: Platform | undefined;
  /** Copy an index with all that it names. */
  readonly all?: boolean | undefined;
  /** Copy what refers to the image, too: signatures, lists of contents. */
  readonly withReferrers?: boolean | undefined;
  /** For the source and its policy, and for the target. */
  readonly from?: RegistryImageOptions | undefined;
  readonly to?: RegistryOptions | undefined;
  /** Takes what a user should hear once. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** A blob of a copy. */
export interface CopiedBlob {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly method: CopyMethod;
}

/** What a copy is about. */
export interface CopyPreview {
  readonly tag: string | undefined;
  readonly digest: ContentDigest;
  readonly mediaType: string;
  /** Manifests below an index. */
  readonly manifests: readonly ContentDigest[];
  readonly referrers: readonly {
    readonly digest: ContentDigest;
    readonly subject: ContentDigest;
    readonly artifactType: string | undefined;
  }[];
  readonly blobs: readonly Omit<CopiedBlob, 'method'>[];
  readonly trust: TrustReport;
}

/** What a copy did. */
export interface CopyReport extends CopyPreview {
  readonly blobs: readonly CopiedBlob[];
  /** Sizes of the blobs by how they came, and what was read over a network. */
  readonly bytes: Readonly<Record<CopyMethod, number>> & { readonly fetched: number };
}

/**
 * Copies an image, or an index with all of its images, as it is: the same bytes under the same digests. The policy of this host decides about the
 * source before the first layer. A blob that the target has is not read; one that another repository of the same registry has is mounted. The name
 * comes last. A copy that was interrupted leaves its complete blobs, which the next one does not send again.
 * @param from reference to a registry, layout or archive
 * @param to reference to a registry, layout or archive
 * @throws IntegrityError IMAGE_REJECTED, BLOB_SIZE_MISMATCH, BLOB_DIGEST_MISMATCH; as `planCopy`, `openCopySource` and `openCopyTarget`; TransportError;
 *   HostError; the reason of the signal
 */
export async function copyImage(
  from: string,
  to: string,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const { signal, onWarning } = options;
  await using source = await openCopySource(from, options.from ?? {});
  for (const warning of source.warnings) onWarning?.(warning);
  const plan = await planCopy(source, options);
  const trust = await judgeAll(source, plan, signal);
  await using target = await openCopyTarget(to, source, options.to ?? {});
  for (const warning of target.warnings) onWarning?.(warning);
  target.verify(plan);
  const blobs = await pool(plan.blobs, target.lanes, (blob) =>
    bring(blob, { source, target, options }),
  );
  for (const child of plan.children) await target.addManifest(child, signal);
  signal?.throwIfAborted();
  await target.commit(plan.top, plan.referrers, signal);
  const bytes = { present: 0, mounted: 0, reflinked: 0, copied: 0, fetched: source.fetchedBytes };
  for (const { method, sizeBytes } of blobs) bytes[method] += sizeBytes;
  return { ...describe(plan, trust), tag: target.tag, blobs, bytes };
}

/** What `copyImage` would copy; the target is not asked. @throws as `copyImage` before the first layer */
export async function previewCopy(from: string, options: CopyOptions = {}): Promise<CopyPreview> {
  const { signal, onWarning } = options;
  await using source = await openCopySource(from, options.from ?? {});
  for (const warning of source.warnings) onWarning?.(warning);
  const plan = await planCopy(source, options);
  return describe(plan, await judgeAll(source, plan, signal));
}

function describe({ top, children, referrers, blobs }: CopyPlan, trust: TrustReport): CopyPreview {
  return {
    tag: undefined,
    digest: top.digest,
    mediaType: top.mediaType,
    manifests: children.map(({ digest }) => digest),
    referrers: referrers.map(({ digest, subject, artifactType }) => ({
      digest,
      subject,
      artifactType,
    })),
    blobs: blobs.map(({ digest, sizeBytes, mediaType }) => ({ digest, sizeBytes, mediaType })),
    trust,
  };
}

/** Asks the policy about every image of a copy. What refers to an image is no image. @throws IntegrityError IMAGE_REJECTED */
export async function judgeAll(
  source: CopySource,
  { top, children }: Pick<CopyPlan, 'top' | 'children'>,
  signal: AbortSignal | undefined,
): Promise<TrustReport> {
  const reports: TrustReport[] = [];
  for (const { digest, document } of [...children, top]) {
    if (document.kind === 'manifest') reports.push(await source.judge(digest, { signal }));
  }
  const [first] = reports;
  return {
    policy: first?.policy ?? 'none',
    manifests: reports.flatMap(({ manifests }) => manifests),
    isWiderThanPodman: reports.some((one) => one.isWiderThanPodman),
  };
}

interface BringJob {
  readonly source: CopySource;
  readonly target: CopyTarget;
  readonly options: CopyOptions;
}

/** Brings one blob; one that is wrong at an endpoint is read at the next. */
async function bring(blob: Descriptor, { source, target, options }: BringJob): Promise<CopiedBlob> {
  const { signal, onProgress } = options;
  const { digest, sizeBytes, mediaType } = blob;
  const id = digest;
  signal?.throwIfAborted();
  onProgress?.({ type: 'started', id, unit: 'bytes', total: sizeBytes });
  const advance = (done: number) => onProgress?.({ type: 'advanced', id, done, total: sizeBytes });
  for (let hasMoved = false; ; hasMoved = true) {
    let content: ReturnType<CopySource['openBlob']> | undefined;
    const open = () => {
      content = source.openBlob(blob);
      return content;
    };
    try {
      const method = await target.bring(blob, open, { signal, onProgress: advance });
      const isMoved = method === 'copied' || method === 'reflinked';
      onProgress?.(
        isMoved ? { type: 'done', id, transferred: sizeBytes } : { type: 'skipped', id },
      );
      return { digest, sizeBytes, mediaType, method };
    } catch (error) {
      const isWrong = isOnecopyError(error) && error.kind === 'integrity';
      if (!isWrong || hasMoved || content === undefined || !source.distrust(content)) throw error;
    }
  }
}
