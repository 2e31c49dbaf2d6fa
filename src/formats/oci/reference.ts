import type { ContentDigest } from '#base/digest';

/** An image that a registry serves: `docker://HOST/NAME[:TAG|@DIGEST]`. */
export interface RegistryReference {
  readonly transport: 'docker';
  /** Host and optional port; `docker.io` when the reference has none. */
  readonly registry: string;
  /** Name inside the registry, with `library/` added to single names of `docker.io`. */
  readonly repository: string;
  /** `latest` when neither a tag nor a digest is given. */
  readonly tag?: string;
  readonly digest?: ContentDigest;
}

/** An image in a file or directory of an OCI or Docker layout. At most one of tag, digest and index is present. */
export interface LocalReference {
  readonly transport: 'oci' | 'oci-archive' | 'docker-archive' | 'dir';
  readonly path: string;
  /** Tag, or for `docker-archive:` a tag or a whole `name:tag`. */
  readonly tag?: string;
  readonly digest?: ContentDigest;
  /** Position among the images, from 0: `@N` in the place of the tag. */
  readonly index?: number;
}

/** `ostree:URL:REF` (over HTTP) or `ostree-local:PATH:REF`. */
export interface OstreeReference {
  readonly transport: 'ostree' | 'ostree-local';
  /** URL or path of the OSTree repository. */
  readonly location: string;
  readonly ref: string;
}

/** `containers-storage:[DRIVER@ROOT[+RUN]]NAME`; what is absent is found by the usual search. */
export interface ContainersReference {
  readonly transport: 'containers-storage';
  readonly driver?: string;
  readonly graphRoot?: string;
  readonly runRoot?: string;
  /** Name or image id. */
  readonly name: string;
}

/** `composefs:REPO:NAME`: an image of another composefs repository. */
export interface ComposefsReference {
  readonly transport: 'composefs';
  readonly path: string;
  readonly name: string;
}

/** A bare word: an image name in the repository at hand. `@sha256:…`: a manifest digest in it. */
export type StoredReference =
  | { readonly transport: 'stored'; readonly name: string }
  | { readonly transport: 'stored'; readonly digest: ContentDigest };

/** Every way to name an image. */
export type ImageReference =
  | RegistryReference
  | LocalReference
  | OstreeReference
  | ContainersReference
  | ComposefsReference
  | StoredReference;

/** @throws FormatError REFERENCE_INVALID */
export function parseReference(_text: string): ImageReference {
  throw new Error('soon');
}

/** The canonical text of a reference; `parseReference` of it gives the same value. */
export function formatReference(_reference: ImageReference): string {
  throw new Error('soon');
}
