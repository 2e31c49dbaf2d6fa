import { type ContentDigest, isContentDigest } from '#base/digest';

/** The image that a deployment came from. */
export interface ImageOrigin {
  /** As `transport:name`, for example `docker://quay.io/os/base:1`. */
  readonly reference: string;
}

/** Group and key of an origin file. Source: ostree-ext, container deployments. */
const KEY = /^container-image-reference\s*=\s*(.*)$/;
const MANIFEST_KEY = /^manifest_digest\s*=\s*(.*)$/;

/** Prefixes that state how an image's signature is verified. Source: ostree-ext 0.15, SignatureSource. */
const SIGNED = /^ostree-(?:image-signed|unverified-image):(.*)$/s;
const REMOTE = /^ostree-remote-image:[^:]+:(.*)$/s;
/** Prefixes with the same meaning that always mean a registry. */
const REGISTRY = /^ostree-(?:unverified-registry|remote-registry:[^:]+):(.*)$/s;

/** Reads the image reference of an origin file; undefined for another kind of deployment. */
export function parseImageOrigin(bytes: Uint8Array): ImageOrigin | undefined {
  const value = valueIn(bytes, '[origin]', KEY);
  return value === undefined ? undefined : withoutPolicy(value);
}

/**
 * Reads the manifest digest of an origin file; undefined if it has none.
 * Source: bootc, composefs backend; unified-storage notes 4.12.
 */
export function parseOriginManifest(bytes: Uint8Array): ContentDigest | undefined {
  const value = valueIn(bytes, '[image]', MANIFEST_KEY);
  return value !== undefined && isContentDigest(value) ? value : undefined;
}

/** The value of the first line of a group that the pattern matches. */
function valueIn(bytes: Uint8Array, group: string, key: RegExp): string | undefined {
  let isInside = false;
  for (const line of Buffer.from(bytes).toString('utf8').split('\n')) {
    const text = line.trim();
    if (text.startsWith('[')) isInside = text === group;
    const value = isInside ? key.exec(text)?.[1] : undefined;
    if (value !== undefined) return value.trim();
  }
  return undefined;
}

function withoutPolicy(text: string): ImageOrigin | undefined {
  const image = (SIGNED.exec(text) ?? REMOTE.exec(text))?.[1];
  if (image !== undefined && image !== '') return { reference: fullForm(image) };
  const name = REGISTRY.exec(text)?.[1];
  return name === undefined || name === '' ? undefined : { reference: `docker://${name}` };
}

/** `registry:NAME` is another spelling of `docker://NAME`. */
function fullForm(image: string): string {
  const name = /^registry:(.*)$/s.exec(image)?.[1];
  return name === undefined ? image : `docker://${name}`;
}
