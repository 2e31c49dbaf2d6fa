import { UnsupportedError, UsageError } from '#base/errors';
import { verifyDigest } from '#base/flow';
import {
  type Descriptor,
  type LayoutEntry,
  type LocalReference,
  parseReference,
  type RegistryReference,
} from '#formats/oci';
import { type ImageTarget, openImageTarget } from '#stores/oci-layout';
import type { RegistryOptions } from '#work/registries';
import { openRegistryPlace } from '#work/registry-image';
import { CheckedBlob, piecesOf } from './checked-blob.ts';
import { noImagePlace } from './place.ts';
import type { PlannedManifest, PlannedReferrer } from './plan.ts';
import type { CopyContent, CopySource } from './source.ts';

/** How a blob came into the target: `present` before, `mounted` from another repository of the registry, shared, or copied. */
export type CopyMethod = 'present' | 'mounted' | 'reflinked' | 'copied';

/** Options of bringing one blob. */
export interface BringOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (doneBytes: number) => void;
}

/** Where an image is copied to. Blobs come first, then manifests, referrers, and last the name. */
export interface CopyTarget extends AsyncDisposable {
  readonly tag: string | undefined;
  /** Blobs that may come at the same time. */
  readonly lanes: number;
  readonly warnings: readonly string[];
  /** Refuses what this target cannot hold, before anything is read. */
  verify(plan: { readonly top: PlannedManifest; readonly referrers: readonly unknown[] }): void;
  /** Brings a blob, verified. */
  bring(blob: Descriptor, content: () => CopyContent, options: BringOptions): Promise<CopyMethod>;
  addManifest(manifest: PlannedManifest, signal: AbortSignal | undefined): Promise<void>;
  /** Makes the image visible. */
  commit(
    top: PlannedManifest,
    referrers: readonly PlannedReferrer[],
    signal: AbortSignal | undefined,
  ): Promise<void>;
}

/** Blobs on their way into one registry, and into one layout. */
const REGISTRY_LANES = 6;
const LAYOUT_LANES = 4;

/**
 * Opens the place that a reference names; a layout or directory is made when it is missing.
 * @throws UnsupportedError TRANSPORT_UNSUPPORTED, TARGET_UNSUPPORTED, REGISTRY_BLOCKED; UsageError; as `openImageTarget`
 */
export async function openCopyTarget(
  text: string,
  source: CopySource,
  options: RegistryOptions,
): Promise<CopyTarget> {
  const reference = parseReference(text);
  switch (reference.transport) {
    case 'docker':
      return await openRegistry(reference, source, options);
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
    case 'dir':
      if (reference.digest === undefined && reference.index === undefined) {
        return openLocal(reference);
      }
      throw new UsageError(
        `Cannot copy to "${text}": expected a tag or none, found a digest or position`,
      );
    default:
      throw noImagePlace(text, reference, 'copy to');
  }
}

async function openRegistry(
  reference: RegistryReference,
  source: CopySource,
  options: RegistryOptions,
): Promise<CopyTarget> {
  const place = await openRegistryPlace(reference, options);
  const { repository } = place;
  const { tag, digest } = reference;
  const from = source.place;
  const isSibling =
    from?.registry === reference.registry && from.repository !== reference.repository;
  const mountFrom = isSibling ? [from.repository] : [];
  const push = async (
    { bytes, mediaType, digest: own }: PlannedManifest,
    name: { readonly tag?: string },
    signal: AbortSignal | undefined,
  ) => {
    await repository.pushManifest({ bytes, mediaType, digest: own, ...name }, { signal });
  };
  return {
    tag,
    lanes: REGISTRY_LANES,
    warnings: place.warnings,
    verify({ top }) {
      if (digest !== undefined) verifyDigest(digest, top.digest);
    },
    async bring(blob, content, { signal, onProgress }) {
      const toSend = new CheckedBlob(blob, content, signal);
      const how = await repository.pushBlob(toSend, { mountFrom, signal, onProgress });
      return how === 'uploaded' ? 'copied' : how;
    },
    addManifest: (manifest, signal) => push(manifest, {}, signal),
    async commit(top, referrers, signal) {
      // Before the name: nobody sees the image without its signatures.
      for (const one of referrers) await push(one, {}, signal);
      await push(top, tag === undefined ? {} : { tag }, signal);
    },
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

function openLocal(reference: LocalReference): CopyTarget {
  const target = openImageTarget(reference);
  const { transport, tag } = reference;
  return {
    tag,
    // The members of an archive keep the order of the manifest, so that the same copy gives the same file.
    lanes: transport === 'oci-archive' ? 1 : LAYOUT_LANES,
    warnings: [],
    verify({ referrers }) {
      if (transport !== 'dir' || referrers.length === 0) return;
      throw new UnsupportedError(
        'TARGET_UNSUPPORTED',
        `Cannot write ${referrers.length} referrers into "${reference.path}": expected oci:, oci-archive: or docker://, found dir:`,
        { transport },
        { hint: 'A directory of this form holds one image: use oci:' },
      );
    },
    bring: (blob, content, options) => writeBlob(target, blob, content, options),
    async addManifest({ digest, bytes }) {
      target.addManifest(digest, bytes);
    },
    async commit(top, referrers) {
      const listed = referrers.map(({ artifactType, ...one }) => entryOf(one, { artifactType }));
      for (const one of referrers) target.addManifest(one.digest, one.bytes);
      target.commit(entryOf(top, { tag }), top.bytes, listed);
    },
    [Symbol.asyncDispose]: async () => target[Symbol.dispose](),
  };
}

function entryOf(
  { digest, mediaType, bytes }: Pick<PlannedManifest, 'digest' | 'mediaType' | 'bytes'>,
  rest: Pick<LayoutEntry, 'tag' | 'artifactType'>,
): LayoutEntry {
  return { digest, mediaType, sizeBytes: bytes.length, ...rest };
}

async function writeBlob(
  target: ImageTarget,
  { digest, sizeBytes }: Descriptor,
  content: () => CopyContent,
  { signal, onProgress }: BringOptions,
): Promise<CopyMethod> {
  if (target.findBlob(digest, sizeBytes) !== undefined) return 'present';
  using blob = target.createBlob(digest);
  const from = content();
  if ('fd' in from) {
    await blob.takeInTurns(from, onProgress, signal);
  } else {
    let done = 0;
    for await (const piece of piecesOf(from, 0, signal)) {
      signal?.throwIfAborted();
      blob.write(piece);
      done += piece.length;
      if (done > sizeBytes) break;
      onProgress(done);
    }
  }
  const { method } = blob.commit({ digest, sizeBytes });
  return method === 'reflinked' ? 'reflinked' : 'copied';
}
