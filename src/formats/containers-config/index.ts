/**
 * The configuration files of podman users, as values: registries, mirrors and short names, credentials, certificates, and the location of
 * signatures. Files are passed as names and texts; nothing here reads a disk or a network.
 *
 *     search order -> files -> RegistriesConfig -> ImageEndpoint[]      (registries.conf)
 *                           -> AuthFile         -> CredentialSource     (auth.json, config.json)
 *                           -> AttachmentConfig -> AttachmentChoice     (registries.d)
 *                           -> StorageFile      -> StoragePlaces        (storage.conf)
 */
export {
  type AuthFile,
  type CredentialScope,
  type CredentialSource,
  type Credentials,
  findCredentials,
  parseAuthFile,
} from './auth-file.ts';
export { encodeWithEntry, encodeWithoutEntries, encodeWithoutEntry } from './auth-file-writer.ts';
export {
  type CertificateFiles,
  type CertificatePair,
  chooseCertificateFiles,
} from './certificates.ts';
export { type ConfigFile, configInvalid } from './config-file.ts';
export {
  chooseEndpoints,
  choosePushEndpoint,
  type EndpointOptions,
  type ImageEndpoint,
  isLoopbackHost,
} from './endpoints.ts';
export {
  AUTH_FILES_HELPER,
  CONFIG_FILE_MAX_BYTES,
  DOCKER_HUB,
  DROP_INS_MAX,
  HELPER_NAME,
} from './layout.ts';
export { mergeRegistries, type RegistriesConfig } from './registries.ts';
export {
  type AttachmentChoice,
  type AttachmentConfig,
  type AttachmentSection,
  chooseAttachments,
  parseAttachmentFiles,
} from './registries-d.ts';
export { parseAliasCache, parseRegistriesFile, type RegistriesFile } from './registries-file.ts';
export {
  type AuthFilePlace,
  type AuthSearch,
  type ConfigEnvironment,
  orderDropIns,
  type PolicySearch,
  planAttachmentsSearch,
  planAuthSearch,
  planCertificatesSearch,
  planPolicySearch,
  planRegistriesSearch,
  type RegistriesSearch,
} from './search-order.ts';
export { type NamedCandidates, resolveShortName } from './short-names.ts';
export {
  mergeStorage,
  parseStorageFile,
  parseStorageOptions,
  type StorageFile,
  type StorageOptions,
  type StoragePlaces,
} from './storage/storage-file.ts';
export { planStorageSearch, type StorageSearch } from './storage/storage-search.ts';
