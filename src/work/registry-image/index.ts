/**
 * An image in a registry as a pull reads it: opened by the configuration of this host, judged by its policy, and read blob by blob.
 *
 *     docker:// reference ──► work/registries (endpoints, credentials) ──► remotes/registry ──► RegistryImage
 *                         └─► work/trust (policy, signatures beside the manifest) ──► judge
 */
export { manifestOf, openRegistryImage, RegistryImage, type RegistryImageOptions } from './open.ts';
export { openRegistryPlace, type RegistryPlace } from './place.ts';
