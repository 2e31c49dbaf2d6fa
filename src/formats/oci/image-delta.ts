import { type ContentDigest, parseContentDigest } from '#base/digest';
import { FormatError } from '#base/errors';
import type { Descriptor } from './descriptor.ts';
import type { Manifest } from './manifest.ts';

/** Artifact type and annotations of a delta. Source: oci-and-cli spec 5.8. */
const ARTIFACT_TYPE = 'application/vnd.io.github.containers.oci-delta.v1';
const PREFIX = 'io.github.containers.delta.';
const ANNOTATION = {
  sourceConfig: `${PREFIX}source-config`,
  content: `${PREFIX}content`,
  to: `${PREFIX}to`,
} as const;

/** Media type of a layer that is a tar-diff. */
export const TAR_DIFF_TYPE = 'application/vnd.tar-diff';

/** The parts of a delta. */
export interface ImageDelta {
  /** Digest of the config of the image that the delta starts from. */
  readonly sourceConfig: ContentDigest;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  /** Diffs by the digest of the new image's layer that each diff produces. */
  readonly layers: ReadonlyMap<ContentDigest, Descriptor>;
}

/** True for the manifest of a delta between two images. */
export function isImageDelta({ artifactType }: Manifest): boolean {
  return artifactType === ARTIFACT_TYPE;
}

/** The parts of a delta; blobs of an unknown kind are ignored. @throws FormatError IMAGE_DELTA_INVALID */
export function parseImageDelta(manifest: Manifest): ImageDelta {
  const source = manifest.annotations.get(ANNOTATION.sourceConfig);
  if (source === undefined)
    throw invalid(manifest, 'it does not name the image that it starts from');
  const ofKind = (kind: string) =>
    manifest.layers.filter(({ annotations }) => annotations.get(ANNOTATION.content) === kind);
  const [target] = ofKind('image-manifest');
  const [config] = ofKind('image-config');
  if (target === undefined) throw invalid(manifest, 'it has no manifest of the new image');
  if (config === undefined) throw invalid(manifest, 'it has no config of the new image');
  const layers = ofKind('image-layer').map((descriptor) => {
    const to = descriptor.annotations.get(ANNOTATION.to);
    if (to === undefined) throw invalid(manifest, `layer ${descriptor.digest} has no target`);
    return [readDigest(manifest, to), descriptor] as const;
  });
  const sourceConfig = readDigest(manifest, source);
  return { sourceConfig, manifest: target, config, layers: new Map(layers) };
}

function readDigest(manifest: Manifest, text: string): ContentDigest {
  try {
    return parseContentDigest(text);
  } catch (cause) {
    throw invalid(manifest, 'an annotation is no digest', cause);
  }
}

function invalid({ digest }: Manifest, reason: string, cause?: unknown): FormatError {
  return new FormatError(
    'IMAGE_DELTA_INVALID',
    `Cannot read the delta ${digest}: ${reason}`,
    { offset: 0, what: `delta ${digest}` },
    cause === undefined ? {} : { cause },
  );
}
