/**
 * A client for registries (OCI distribution 1.1, Docker registry v2). Nothing here reads a file: endpoints, credentials and certificates
 * are passed as values, and credentials are sent only to their scheme, host and port.
 *
 *     Endpoint[] ─▶ RegistryRepository ─▶ fail-over ─▶ EndpointAccess ─▶ ping, challenge, token ─▶ remotes/http
 *                     manifests · blobs · tags · referrers · uploads
 */
export type { HostMemory } from './access.ts';
export type { BlobName, RegistryBlob } from './blob.ts';
export { type Challenge, parseChallenges } from './challenge.ts';
export {
  authorityOf,
  type CredentialsLookup,
  type Endpoint,
  type EndpointTls,
  type FoundCredentials,
} from './endpoint.ts';
export type { RegistrySettings } from './host.ts';
export { nextLink } from './links.ts';
export type { FetchedManifest, ManifestReference } from './manifest.ts';
export type { ManifestToPush, PushedManifest } from './push-manifest.ts';
export { RegistryRepository, type RequestOptions } from './repository.ts';
export type { BlobToPush, PushBlobOptions, PushedBlob, UploadState } from './upload.ts';
