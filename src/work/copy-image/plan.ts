import type { ContentDigest } from '#base/digest';
import { ConflictError, FormatError } from '#base/errors';
import {
  type Descriptor,
  type ImageIndex,
  INDEX_DEPTH_MAX,
  type Manifest,
  type Platform,
  parseManifest,
  type ResolvedImage,
  resolveImage,
} from '#formats/oci';
import type { CopySource } from './source.ts';

/** Most bytes of manifests and indexes of one copy; they are held until they are written. */
const MANIFESTS_MAX_BYTES = 256 << 20;
/** Most levels of referrers of referrers. */
const REFERRERS_DEPTH_MAX = 4;

/** A manifest or index that is copied as it is. */
export interface PlannedManifest {
  readonly digest: ContentDigest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly document: Manifest | ImageIndex;
}

/** Something that refers to a manifest of the copy. */
export interface PlannedReferrer extends PlannedManifest {
  readonly subject: ContentDigest;
  readonly artifactType: string | undefined;
}

/** All that belongs to a copy, each once. */
export interface CopyPlan {
  readonly top: PlannedManifest;
  /** Children first, without the top. */
  readonly children: readonly PlannedManifest[];
  readonly referrers: readonly PlannedReferrer[];
  /** Configs and layers of everything, in the order of the manifests. */
  readonly blobs: readonly Descriptor[];
}

/** What is chosen of what a reference names. */
export interface CopyChoice {
  readonly platform?: Platform | undefined;
  /** All images of an index, and the index. */
  readonly all?: boolean | undefined;
  readonly withReferrers?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads all documents of a copy, and no layer. Without `all`, one image is chosen, as a pull does.
 * @throws ConflictError IMAGE_AMBIGUOUS; FormatError INDEX_TOO_DEEP, OCI_DOCUMENT_TOO_LARGE; as `resolveImage`, and as the source
 */
export async function planCopy(source: CopySource, choice: CopyChoice): Promise<CopyPlan> {
  const { signal, all, withReferrers } = choice;
  const candidates = await source.listCandidates({ signal });
  const chosen = all === true ? requireOne(candidates) : await choose(source, candidates, choice);
  const walk = new Walk(source, signal);
  const top = await walk.add(chosen, 0);
  const own = walk.manifests.filter(({ digest }) => digest !== top.digest);
  const referrers: PlannedReferrer[] = [];
  if (withReferrers === true) {
    const subjects = walk.manifests.map(({ digest }) => digest);
    for (const subject of subjects) referrers.push(...(await walk.referrersOf(subject, 0)));
  }
  const ofReferrers = new Set(referrers.map(({ digest }) => digest));
  const others = walk.manifests.filter(
    (one) => one !== top && !own.includes(one) && !ofReferrers.has(one.digest),
  );
  const children = [...own, ...others];
  return { top, children, referrers, blobs: blobsOf([...children, top, ...referrers]) };
}

function requireOne(candidates: readonly Descriptor[]): Descriptor {
  const distinct = [...new Map(candidates.map((one) => [one.digest, one])).values()];
  const [first] = distinct;
  if (first !== undefined && distinct.length === 1) return first;
  const available = distinct.map(({ digest }) => `@${digest}`);
  throw new ConflictError(
    'IMAGE_AMBIGUOUS',
    `Cannot copy all: expected one index or image, found ${distinct.length}: ${available.join(', ')}`,
    { available },
    { hint: 'Add a tag or one of these digests to the reference' },
  );
}

/** The descriptor of the image for a platform. */
async function choose(
  source: CopySource,
  candidates: readonly Descriptor[],
  choice: CopyChoice,
): Promise<Descriptor> {
  const { digest, mediaType, bytes } = (await resolveOf(source, candidates, choice)).manifest;
  return { digest, mediaType, sizeBytes: bytes.length, annotations: new Map(), urls: [] };
}

/** Chooses an image among candidates, and reads it down to its config. @throws as `resolveImage`, and as the source */
async function resolveOf(
  source: CopySource,
  candidates: readonly Descriptor[],
  { platform, signal }: Pick<CopyChoice, 'platform' | 'signal'>,
): Promise<ResolvedImage> {
  const search = resolveImage(candidates, { platform });
  let step = search.next();
  while (step.done !== true) {
    step = search.next(await source.readDocument(step.value.descriptor, { signal }));
  }
  return step.value;
}

/** Reads manifests, each once, children before what names them. */
class Walk {
  readonly manifests: PlannedManifest[] = [];
  readonly #source: CopySource;
  readonly #signal: AbortSignal | undefined;
  readonly #seen = new Map<ContentDigest, Promise<PlannedManifest>>();
  #totalBytes = 0;

  constructor(source: CopySource, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#signal = signal;
  }

  /** @param depth indexes above */
  async add(descriptor: Descriptor, depth: number): Promise<PlannedManifest> {
    const { digest } = descriptor;
    const known = this.#seen.get(digest);
    if (known !== undefined) return await known;
    const reading = this.#read(descriptor, depth);
    this.#seen.set(digest, reading);
    return await reading;
  }

  /** What refers to a manifest, and what refers to that. */
  async referrersOf(subject: ContentDigest, depth: number): Promise<PlannedReferrer[]> {
    const found: PlannedReferrer[] = [];
    const signal = this.#signal;
    for (const descriptor of await this.#source.listReferrers(subject, { signal })) {
      if (this.#seen.has(descriptor.digest)) continue;
      const manifest = await this.add(descriptor, 0);
      const { document } = manifest;
      const config = document.kind === 'manifest' ? document.config.mediaType : undefined;
      const artifactType = document.artifactType ?? config;
      if (depth + 1 < REFERRERS_DEPTH_MAX) {
        found.push(...(await this.referrersOf(manifest.digest, depth + 1)));
      }
      found.push({ ...manifest, subject, artifactType });
    }
    return found;
  }

  async #read(descriptor: Descriptor, depth: number): Promise<PlannedManifest> {
    const { digest } = descriptor;
    const bytes = await this.#source.readDocument(descriptor, { signal: this.#signal });
    this.#totalBytes += bytes.length;
    if (this.#totalBytes > MANIFESTS_MAX_BYTES) {
      throw new FormatError(
        'OCI_DOCUMENT_TOO_LARGE',
        `Cannot copy ${digest}: expected at most ${MANIFESTS_MAX_BYTES} bytes of manifests together, found more`,
        {
          offset: 0,
          what: `manifest ${digest}`,
          expected: MANIFESTS_MAX_BYTES,
          found: this.#totalBytes,
        },
      );
    }
    const document = parseManifest(bytes, descriptor.mediaType);
    if (document.kind === 'index') {
      if (depth >= INDEX_DEPTH_MAX) {
        throw new FormatError(
          'INDEX_TOO_DEEP',
          `Cannot copy image index ${digest}: expected at most ${INDEX_DEPTH_MAX} nested indexes, found more`,
          { offset: 0, what: `image index ${digest}` },
        );
      }
      for (const child of document.manifests) await this.add(child, depth + 1);
    }
    const manifest = { digest, mediaType: document.mediaType, bytes, document };
    this.manifests.push(manifest);
    return manifest;
  }
}

function blobsOf(manifests: readonly PlannedManifest[]): Descriptor[] {
  const blobs = new Map<ContentDigest, Descriptor>();
  for (const { document } of manifests) {
    if (document.kind === 'index') continue;
    for (const blob of [document.config, ...document.layers]) {
      if (!blobs.has(blob.digest)) blobs.set(blob.digest, blob);
    }
  }
  return [...blobs.values()];
}
