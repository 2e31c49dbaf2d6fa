/**
 * A client for registries (OCI distribution 1.1, Docker registry v2). Nothing here reads a file: endpoints come as values.
 */
export { type Challenge, parseChallenges } from './challenge.ts';
export {
  authorityOf,
  type Credentials,
  type CredentialsLookup,
  type Endpoint,
  type EndpointTls,
  type FoundCredentials,
  isLoopback,
} from './endpoint.ts';
