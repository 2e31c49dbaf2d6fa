import { algorithmOf, type ContentDigest, computeContentDigest } from '#base/digest';
import { FormatError, NotFoundError } from '#base/errors';
import { verifyDigest, verifySize } from '#base/flow';
import { type ImageConfig, parseImageConfig } from './config.ts';
import type { Descriptor } from './descriptor.ts';
import { requireDocumentSize } from './json.ts';
import { CONFIG_MAX_BYTES, INDEX_DEPTH_MAX, MANIFEST_MAX_BYTES } from './layout.ts';
import {
  hasOtherLayers,
  type ImageIndex,
  isArtifact,
  type Manifest,
  parseManifest,
} from './manifest.ts';
import {
  formatPlatform,
  hostPlatform,
  isUnknownPlatform,
  type Platform,
  rankPlatform,
} from './platform.ts';

/** One image, chosen and verified down to its config: all that a pull needs before it reads layers. */
export interface ResolvedImage {
  readonly manifest: Manifest;
  /** Undefined for an artifact. */
  readonly config: ImageConfig | undefined;
  /** Bytes of the config blob, artifact or not. */
  readonly configBytes: Uint8Array;
  /** The indexes that led to the manifest, outermost first; empty for a plain manifest. */
  readonly indexes: readonly ImageIndex[];
  /** The platform that the index or the config states. */
  readonly platform: Platform | undefined;
}

/** The choice between several offered images. */
export interface ResolveOptions {
  /** Wanted platform; the host's when absent. */
  readonly platform?: Platform | undefined;
}

/** A document that the resolution requests: the driver returns its bytes, and need not verify them. */
export interface DocumentRequest {
  readonly descriptor: Descriptor;
  /** Size limit in bytes; the descriptor has already been compared with it. */
  readonly maximumBytes: number;
}

type Loading<T> = Generator<DocumentRequest, T, Uint8Array>;

/** A loaded document, with the platform that its descriptor stated. */
interface Candidate {
  readonly document: Manifest | ImageIndex;
  readonly stated: Platform | undefined;
  readonly indexes: readonly ImageIndex[];
}

/** A candidate image with its rank (0 is best), or its platform when it does not match. */
interface Offer {
  readonly image: ResolvedImage;
  readonly rank: number | undefined;
}

/**
 * Finds the image behind candidate descriptors: descends nested indexes, skips attestations, matches the platform (of the
 * descriptor, else of the config), and verifies every document against its descriptor. The best match wins, the first of
 * equals. An artifact without a platform is chosen when nothing else matches. Sans-I/O: it yields its requests, and the driver,
 * blocking or not, sends the bytes back.
 * @throws NotFoundError PLATFORM_NOT_FOUND; FormatError INDEX_TOO_DEEP, OCI_DOCUMENT_INVALID, OCI_DOCUMENT_TOO_LARGE,
 * LAYER_COUNT_MISMATCH; IntegrityError BLOB_SIZE_MISMATCH, BLOB_DIGEST_MISMATCH; UnsupportedError MEDIA_TYPE_UNSUPPORTED
 */
export function* resolveImage(
  candidates: readonly Descriptor[],
  options: ResolveOptions = {},
): Loading<ResolvedImage> {
  const wanted = options.platform ?? hostPlatform();
  const search: Search = { wanted, available: new Set(), visited: new Set() };
  const chosen = yield* bestOf(candidates, [], search);
  if (chosen !== undefined) return chosen.image;
  const offered = [...search.available];
  const names = offered.length === 0 ? 'none' : offered.join(', ');
  throw new NotFoundError(
    'PLATFORM_NOT_FOUND',
    `Cannot find an image for platform ${formatPlatform(wanted)}: expected one of the platforms of the image, found ${names}`,
    { wanted: formatPlatform(wanted), available: offered },
    offered[0] === undefined
      ? {}
      : { hint: `Choose another platform, for example with --platform ${offered[0]}` },
  );
}

/** State of a search. Every document is loaded once, so indexes that name each other many times cost nothing. */
interface Search {
  readonly wanted: Platform;
  readonly available: Set<string>;
  readonly visited: Set<ContentDigest>;
}

/** The best image below these descriptors. Stated platforms are compared before anything is loaded. */
function* bestOf(
  descriptors: readonly Descriptor[],
  indexes: readonly ImageIndex[],
  search: Search,
): Loading<Offer | undefined> {
  const { wanted, available, visited } = search;
  let best: Offer | undefined;
  for (const descriptor of descriptors) {
    const stated = descriptor.platform;
    if (isAttestation(descriptor)) continue;
    if (stated !== undefined && rankPlatform(stated, wanted) === undefined) {
      available.add(formatPlatform(stated));
      continue;
    }
    if (best?.rank === 0 || visited.has(descriptor.digest)) continue;
    visited.add(descriptor.digest);
    const document = yield* loadManifest(descriptor);
    const offer = yield* offerOf({ document, stated, indexes }, search);
    if (offer?.rank !== undefined && (best?.rank === undefined || offer.rank < best.rank)) {
      best = offer;
    }
  }
  return best;
}

function* offerOf(candidate: Candidate, search: Search): Loading<Offer | undefined> {
  const { document, stated, indexes } = candidate;
  if (document.kind === 'index') {
    requireDepth(document, indexes);
    return yield* bestOf(document.manifests, [...indexes, document], search);
  }
  const image = yield* loadConfig(document, stated, indexes);
  const rank = rankImage(image, search.wanted);
  if (rank !== undefined) return { image, rank };
  search.available.add(
    image.platform === undefined ? '(no platform)' : formatPlatform(image.platform),
  );
  return undefined;
}

/**
 * The image of a verified manifest and config, on any platform. A manifest with an image config but other layers counts as an
 * artifact.
 * @throws FormatError LAYER_COUNT_MISMATCH, OCI_DOCUMENT_INVALID
 */
export function imageOf(manifest: Manifest, configBytes: Uint8Array): ResolvedImage {
  if (hasOtherLayers(manifest)) {
    return { manifest, config: undefined, configBytes, indexes: [], platform: undefined };
  }
  const config = { ...parseImageConfig(configBytes), digest: manifest.config.digest };
  requireLayerCount(manifest, config);
  return { manifest, config, configBytes, indexes: [], platform: config.platform };
}

/** Rank of an image without a stated platform: after every image that states one. */
const RANK_UNSTATED = 1000;

function rankImage(image: ResolvedImage, wanted: Platform): number | undefined {
  return image.platform === undefined ? RANK_UNSTATED : rankPlatform(image.platform, wanted);
}

/** Attestations (provenance, SBOM) are listed in an index beside the images that they describe. Source: BuildKit attestation storage. */
export function isAttestation(descriptor: Descriptor): boolean {
  return (
    descriptor.annotations.get('vnd.docker.reference.type') === 'attestation-manifest' ||
    (descriptor.platform !== undefined && isUnknownPlatform(descriptor.platform))
  );
}

function requireDepth(document: ImageIndex, indexes: readonly ImageIndex[]): void {
  if (indexes.length < INDEX_DEPTH_MAX) return;
  throw new FormatError(
    'INDEX_TOO_DEEP',
    `Cannot read image index ${document.digest}: expected at most ${INDEX_DEPTH_MAX} nested indexes, found more`,
    { offset: 0, what: `image index ${document.digest}` },
  );
}

function* loadManifest(descriptor: Descriptor): Loading<Manifest | ImageIndex> {
  const bytes = yield* loadDocument(descriptor, 'manifest', MANIFEST_MAX_BYTES);
  return { ...parseManifest(bytes, descriptor.mediaType), digest: descriptor.digest };
}

function* loadConfig(
  manifest: Manifest,
  stated: Platform | undefined,
  indexes: readonly ImageIndex[],
): Loading<ResolvedImage> {
  const configBytes = yield* loadDocument(manifest.config, 'image config', CONFIG_MAX_BYTES);
  if (isArtifact(manifest)) {
    return { manifest, config: undefined, configBytes, indexes, platform: stated };
  }
  const config = { ...parseImageConfig(configBytes), digest: manifest.config.digest };
  requireLayerCount(manifest, config);
  return { manifest, config, configBytes, indexes, platform: stated ?? config.platform };
}

function requireLayerCount(manifest: Manifest, config: ImageConfig): void {
  const expected = manifest.layers.length;
  const found = config.diffIds.length;
  if (expected === found) return;
  throw new FormatError(
    'LAYER_COUNT_MISMATCH',
    `Cannot use manifest ${manifest.digest}: expected ${expected} diff ids in its config, found ${found}`,
    { offset: 0, what: `manifest ${manifest.digest}`, expected, found },
  );
}

/** Requests a document and verifies size and digest; every document of the chain passes here. */
function* loadDocument(
  descriptor: Descriptor,
  what: string,
  maximumBytes: number,
): Loading<Uint8Array> {
  const { digest, sizeBytes } = descriptor;
  requireDocumentSize(sizeBytes, `${what} ${digest}`, maximumBytes);
  const bytes = yield { descriptor, maximumBytes };
  verifySize({ digest, sizeBytes }, bytes.length);
  verifyDigest(digest, digestLike(bytes, digest));
  return bytes;
}

function digestLike(bytes: Uint8Array, digest: ContentDigest): ContentDigest {
  return computeContentDigest(bytes, algorithmOf(digest));
}
