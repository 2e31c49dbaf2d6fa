/**
 * What this host says about registries: reads the configuration files that podman's users have, asks credential helpers, and hands a registry
 * client endpoints, credentials and certificates as values. Login and logout write auth.json.
 *
 *     options, environment ──► registries.conf, certs.d, auth.json ──► RegistryConfiguration ──► remotes/registry
 */
export { ConfigRoot, configNotFound } from './config-root.ts';
export { type CredentialOptions, CredentialSearch } from './credentials.ts';
export { hostEnvironment } from './environment.ts';
export {
  createLoginVerifier,
  type LoginContext,
  type LoginReport,
  type LoginVerifier,
  type LogoutReport,
  login,
  logout,
  logoutAll,
} from './login.ts';
export {
  type ImageCandidate,
  openRegistryConfiguration,
  type RegistryConfiguration,
  type RegistryOptions,
} from './open.ts';
export type { TlsMaterial } from './tls-material.ts';
