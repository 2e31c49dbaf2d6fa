import { isContentDigest } from '#base/digest';
import { formatImageName, type ImageName } from '#formats/oci';

/**
 * True when a scope is valid for a transport; unknown transports accept any scope. Source: containers-policy.json(5), and the refusals of skopeo
 * 1.22.
 */
export function isScopeOf(transport: string, scope: string): boolean {
  if (scope === '') return true;
  switch (transport) {
    case 'dir':
    case 'oci':
    case 'oci-archive':
    case 'sif':
      return isCleanPath(scope);
    case 'docker-archive':
    case 'tarball':
      return false;
    case 'containers-storage':
      return isStorageScope(scope);
    default:
      return true;
  }
}

/**
 * Scopes of an image in a registry, most specific first: with tag or digest, repository, namespaces, host, then wildcards of the host without
 * port. Source: containers-policy.json(5), docker:.
 */
export function scopesOfName(name: ImageName): readonly string[] {
  const scopes = [formatImageName(name)];
  const parts = `${name.registry}/${name.repository}`.split('/');
  for (let count = parts.length; count > 0; count -= 1) {
    scopes.push(parts.slice(0, count).join('/'));
  }
  const labels = name.registry.replace(/:[0-9]+$/, '').split('.');
  for (let from = 1; from < labels.length; from += 1) {
    scopes.push(`*.${labels.slice(from).join('.')}`);
  }
  return scopes;
}

/** Scopes of an image in files: its absolute path without symbolic links, then each parent, but never `/`. */
export function scopesOfPath(path: string): readonly string[] {
  const scopes: string[] = [];
  if (path === '/') return scopes;
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    scopes.push(path.slice(0, end));
  }
  return scopes;
}

function isCleanPath(scope: string): boolean {
  return scope.startsWith('/') && scope !== '/' && !/\/(?:\.{0,2}(?:\/|$))/.test(scope);
}

/** `[DRIVER@/ROOT]` or `[/ROOT]`, then a name with a digest, an image id, or both. */
function isStorageScope(scope: string): boolean {
  const match = /^\[(?:[^@\]]+@)?(\/[^\]]*)\](.*)$/su.exec(scope);
  if (match?.[1] === undefined || !match[1].startsWith('/')) return false;
  const [, first, second, ...more] = (match[2] ?? '').split('@');
  const isId = (pin: string) => /^[0-9a-f]{64}$/.test(pin);
  if (first === undefined) return true;
  if (second === undefined) return isContentDigest(first) || isId(first);
  return more.length === 0 && isContentDigest(first) && isId(second);
}
