/** Credentials for one registry. They go to its scheme, host and port, and to the token server that it names. */
export type Credentials =
  /** Sent as Basic, or to the token server for a token. */
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /**
   * A refresh token, exchanged at the token server. User and password, where both are there, are what is tried when that
   * server does not take refresh tokens.
   */
  | {
      readonly kind: 'identity-token';
      readonly token: string;
      readonly user?: string;
      readonly password?: string;
    }
  /** A token that is sent as Bearer as it is; no other is asked for. */
  | { readonly kind: 'registry-token'; readonly token: string };

/** Credentials and where they come from. */
export interface FoundCredentials {
  readonly credentials: Credentials;
  /** A file, a helper or an option, as a message names it: never anything secret. */
  readonly source: string;
}

/**
 * Finds the credentials for an endpoint, when a registry first asks for some; undefined for none. Called once for an
 * endpoint.
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
  readonly tls?: EndpointTls;
  /** Omitted where nobody is logged in. */
  readonly credentials?: CredentialsLookup;
  /** Upstream host for a proxy that serves several, sent as `?ns=`. */
  readonly namespace?: string;
}

/** Hosts that are one registry under several names. Source: registry-client spec §1, seen with skopeo 1.22. */
const DOCKER_HUB = new Set(['docker.io', 'index.docker.io']);

/** The authority of the URLs of an endpoint. */
export function authorityOf({ host }: Pick<Endpoint, 'host'>): string {
  return DOCKER_HUB.has(host) ? 'registry-1.docker.io' : host;
}

/**
 * True for a host that is this one as it is written, never after resolving a name: 127.0.0.0/8, `::1`, `localhost`. Such a
 * host may speak plain HTTP where it speaks no TLS, as Docker allows.
 */
export function isLoopback({ host }: Pick<Endpoint, 'host'>): boolean {
  const name = host.replace(/:[0-9]+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(name);
}
