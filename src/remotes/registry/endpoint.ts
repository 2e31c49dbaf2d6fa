import { type Credentials, isLoopbackHost } from '#formats/containers-config';

/** Credentials and their origin. They are sent to one scheme, host and port, and to the token server of that registry. */
export interface FoundCredentials {
  readonly credentials: Credentials;
  /** A file, a helper or an option, for messages: never a secret. */
  readonly source: string;
}

/**
 * Finds the credentials for an endpoint; undefined for none. Called once, before the first request.
 * @throws any error, for example for a malformed file: there is no fallback to an anonymous request
 */
export type CredentialsLookup = (
  signal: AbortSignal | undefined,
) => FoundCredentials | undefined | Promise<FoundCredentials | undefined>;

/** TLS for one endpoint, as PEM texts. */
export interface EndpointTls {
  /** Trust anchors in addition to those of the system, for the registry, its token server and its redirect targets. */
  readonly caPem?: readonly string[];
  /** A client certificate and its key, sent only to the host and port of the registry. */
  readonly client?: { readonly certPem: string; readonly keyPem: string };
}

/** One location of a repository: the registry or a mirror, after all rules of the configuration. */
export interface Endpoint {
  /** `HOST[:PORT]` of the rewritten name. `docker.io` is contacted at `registry-1.docker.io`. */
  readonly host: string;
  /** Path of the repository at this host. */
  readonly repository: string;
  /** Certificates are not verified, and plain HTTP is used if TLS fails. */
  readonly insecure: boolean;
  /**
   * Plain HTTP may be used if there is no TLS; by default, for loopback hosts as they are written (127.0.0.0/8, `::1`, `localhost`), as
   * Docker allows.
   */
  readonly mayUsePlainHttp?: boolean;
  readonly tls?: EndpointTls;
  /** Absent for anonymous access. */
  readonly credentials?: CredentialsLookup;
  /** Upstream host for a proxy that serves several, sent as `?ns=`. */
  readonly namespace?: string;
}

/** Hosts that are one registry under several names. */
const DOCKER_HUB = new Set(['docker.io', 'index.docker.io']);

/** Host and port of the URLs of an endpoint. */
export function authorityOf({ host }: Pick<Endpoint, 'host'>): string {
  return DOCKER_HUB.has(host) ? 'registry-1.docker.io' : host;
}

/** True if the endpoint may be contacted without TLS. */
export function mayUsePlainHttp(endpoint: Endpoint): boolean {
  return endpoint.insecure || (endpoint.mayUsePlainHttp ?? isLoopbackHost(endpoint.host));
}
