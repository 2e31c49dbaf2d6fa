import { lookup as lookupName } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { TransportError } from '#base/errors';
import { transportError } from './errors.ts';

/** Class of an address. Addresses of all classes but `elsewhere` can be reached only from this host, or serve its secrets. */
export type AddressClass = 'loopback' | 'link-local' | 'metadata' | 'unspecified' | 'elsewhere';

/** Sources: RFC 6890 (special-purpose registries); the metadata addresses of AWS (IPv6) and Alibaba Cloud lie in private networks. */
const CLASSES = [
  ['metadata', ['169.254.169.254/32', '100.100.100.200/32', 'fd00:ec2::254/128']],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  ['unspecified', ['0.0.0.0/8', '::/128']],
] as const satisfies readonly (readonly [AddressClass, readonly string[]])[];

const LISTS = CLASSES.map(([name, subnets]) => {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = '', bits] = subnet.split('/');
    list.addSubnet(network, Number(bits), network.includes(':') ? 'ipv6' : 'ipv4');
  }
  return [name, list] as const;
});

/** The class of an address; IPv4 in IPv6 is judged as IPv4. */
export function classOfAddress(address: string): AddressClass {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  return LISTS.find(([, list]) => list.check(address, family))?.[0] ?? 'elsewhere';
}

/** The class of a host in a URL; undefined for a name, which must be resolved first. */
export function classOfHost(hostname: string): AddressClass | undefined {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) > 0) return classOfAddress(host);
  return host === 'localhost' || host.endsWith('.localhost') ? 'loopback' : undefined;
}

/**
 * Throws if a server redirects its client to a loopback, link-local or metadata address, unless the server itself has such an address.
 * Names are checked when they are resolved (`lookupFor`).
 * @throws TransportError REDIRECT_REFUSED
 */
export function requireReachable(asked: URL, target: URL, method: string): void {
  const found = classOfHost(target.hostname);
  if (found === undefined || found === 'elsewhere' || found === classOfHost(asked.hostname)) return;
  throw refusal({ url: target.href, method }, found);
}

/** Resolves the names of hosts that `asked` redirects to, and throws as `requireReachable`. */
export function lookupFor(asked: URL): LookupFunction {
  return (hostname, options, callback) => {
    lookupName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const classes = addresses.map(({ address }) => classOfAddress(address));
      const odd = classes.find((one) => one !== 'elsewhere');
      const answer = () => {
        const [first] = addresses;
        if (options.all === true) callback(null, addresses);
        else callback(null, first?.address ?? '', first?.family);
      };
      if (odd === undefined) return answer();
      classOfAsked(asked.hostname, (own) => {
        if (own === odd && classes.every((one) => one === odd)) answer();
        else callback(refusal({ url: `//${hostname}/`, method: 'GET' }, odd), []);
      });
    });
  };
}

function classOfAsked(hostname: string, use: (found: AddressClass) => void): void {
  const written = classOfHost(hostname);
  if (written !== undefined) use(written);
  else {
    lookupName(hostname, (error, address) => {
      use(error === null ? classOfAddress(address) : 'elsewhere');
    });
  }
}

function refusal(context: { url: string; method: string }, found: AddressClass): TransportError {
  return transportError('REDIRECT_REFUSED', context, `a redirect to a ${found} address`, {
    retryable: false,
    details: { address: found },
  });
}
