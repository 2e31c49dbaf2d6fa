import { type Credentials, isLoopbackHost } from '#formats/containers-config';

/** Credentials and where they come from. They go to one scheme, host and port, and to the token server that it names. */
export interface FoundCredentials {
  readonly credentials: Credentials;
  /** A file, a helper or an option, as a message names it: never anything secret. */
  readonly source: string;
}

/**
 * Finds the credentials for an endpoint; undefined for none. Called once, before the endpoint is asked for anything.
 * @throws whatever stands in the way, such as a file that is no JSON: nobody is then asked anonymously instead
 */
export type CredentialsLookup = (
  signal: AbortSignal | undefined,
) => FoundCredentials | undefined | Promise<FoundCredentials | undefined>;

/** TLS for one endpoint, as PEM texts. */
export interface EndpointTls {
  /** Trust anchors beside the system's; for the registry, its token server and what it redirects to. */
  readonly caPem?: readonly string[];
  /** A client certificate and its key, shown to the registry's own host and port alone. */
  readonly client?: { readonly certPem: string; readonly keyPem: string };
}

/** One place where a repository is asked for: the registry itself or a mirror, after all rules of the host's configuration. */
export interface Endpoint {
  /** `HOST[:PORT]`, as it is written in the rewritten name. `docker.io` is asked at `registry-1.docker.io`. */
  readonly host: string;
  /** Path of the repository at this host. */
  readonly repository: string;
  /** Certificates are not verified, and plain HTTP is spoken where TLS fails. */
  readonly insecure: boolean;
  /**
   * Plain HTTP may be spoken where no TLS is; when omitted, by loopback hosts as they are written (127.0.0.0/8, `::1`,
   * `localhost`), as Docker allows.
   */
  readonly mayUsePlainHttp?: boolean;
  readonly tls?: EndpointTls;
  /** Omitted where nobody is logged in. */
  readonly credentials?: CredentialsLookup;
  /** Upstream host for a proxy that serves several, sent as `?ns=`. */
  readonly namespace?: string;
}

/** Hosts that are one registry under several names. */
const DOCKER_HUB = new Set(['docker.io', 'index.docker.io']);

/** The authority of the URLs of an endpoint. */
export function authorityOf({ host }: Pick<Endpoint, 'host'>): string {
  return DOCKER_HUB.has(host) ? 'registry-1.docker.io' : host;
}

/** True when the endpoint may be asked without TLS, where it speaks none. */
export function mayUsePlainHttp(endpoint: Endpoint): boolean {
  return endpoint.insecure || (endpoint.mayUsePlainHttp ?? isLoopbackHost(endpoint.host));
}
