/**
 * Names and limits of OCI documents.
 * Sources: OCI image-spec v1.1.1 (media-types.md, manifest.md, image-index.md, config.md, layer.md, image-layout.md) and the
 * Docker image manifest version 2, schema 2 specification.
 */

/** Largest manifest or image index that is read, in bytes. OCI distribution-spec 1.1: registries accept at least 4 MiB. */
export const MANIFEST_MAX_BYTES = 4 * 1024 * 1024;

/** Largest image config that is read, in bytes: history and labels of very large images stay far below it. */
export const CONFIG_MAX_BYTES = 16 * 1024 * 1024;

/** Deepest chain of image indexes before a manifest. Real ones are 1 or 2 deep. */
export const INDEX_DEPTH_MAX = 8;

/** Most layers of one manifest. Overlay stops at 500 lower directories, Docker at 127 layers. */
export const LAYERS_MAX = 4096;

/** Annotation that names a manifest of an OCI layout. Source: image-spec annotations.md. */
export const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name';

/** Annotation with the full image name that containerd and Docker write beside the tag. */
export const CONTAINERD_NAME_ANNOTATION = 'io.containerd.image.name';

/** Media types of documents. */
export const MEDIA_TYPES = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifest1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerManifest1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
} as const;

/** Prefix of whiteouts: `.wh.NAME` removes NAME. Source: image-spec layer.md, "Whiteouts". */
export const WHITEOUT_PREFIX = '.wh.';

/** Prefix of AUFS's own records, which are not part of any image. Source: image-spec layer.md. */
export const WHITEOUT_META_PREFIX = '.wh..wh.';

/** Name of the opaque whiteout: it removes the entries of lower layers from its directory. Source: image-spec layer.md, "Opaque Whiteout". */
export const OPAQUE_WHITEOUT = '.wh..wh..opq';
