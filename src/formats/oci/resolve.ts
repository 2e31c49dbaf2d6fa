import type { ImageConfig } from './config.ts';
import type { Descriptor } from './descriptor.ts';
import type { ImageIndex, Manifest } from './manifest.ts';
import type { Platform } from './platform.ts';

/** One image, chosen and verified down to its config: what a pull needs to know before it reads layers. */
export interface ResolvedImage {
  readonly manifest: Manifest;
  /** Undefined for an artifact. */
  readonly config: ImageConfig | undefined;
  /** Bytes of the config blob, artifact or not. */
  readonly configBytes: Uint8Array;
  /** The indexes passed on the way, outermost first; empty for a plain manifest. */
  readonly indexes: readonly ImageIndex[];
  /** The platform that the index or the config states. */
  readonly platform: Platform | undefined;
}

/** What to choose when several images are offered. */
export interface ResolveOptions {
  /** Wanted platform; the host's when absent. */
  readonly platform?: Platform | undefined;
}

/** A document that the resolution asks for: the driver answers with its bytes, and need not verify them. */
export interface DocumentRequest {
  readonly descriptor: Descriptor;
  /** Size limit in bytes; the descriptor has already been compared with it. */
  readonly maximumBytes: number;
}

/**
 * Finds the image behind candidate descriptors: descends nested indexes, skips attestations, matches the platform, and
 * verifies every document against its descriptor. Sans-I/O: it yields what it needs and the driver, blocking or not, sends
 * the bytes back.
 * @throws NotFoundError PLATFORM_NOT_FOUND; FormatError INDEX_TOO_DEEP, OCI_DOCUMENT_INVALID, OCI_DOCUMENT_TOO_LARGE,
 * LAYER_COUNT_MISMATCH; IntegrityError BLOB_SIZE_MISMATCH, BLOB_DIGEST_MISMATCH; UnsupportedError MEDIA_TYPE_UNSUPPORTED
 */
export function* resolveImage(
  _candidates: readonly Descriptor[],
  _options: ResolveOptions = {},
): Generator<DocumentRequest, ResolvedImage, Uint8Array> {
  yield* [];
  throw new Error('soon');
}
