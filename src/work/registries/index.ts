/**
 * Configuration of registries on this host: reads the configuration files of podman, runs credential helpers, and passes endpoints,
 * credentials and certificates to a registry client as values. Login and logout write auth.json.
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
