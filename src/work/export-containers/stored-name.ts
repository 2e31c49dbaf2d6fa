import { UsageError } from '#base/errors';

/** What an image may be called in containers-storage: a registry name with a tag. Source: distribution/reference, name and tag. */
const NAME = /^[a-z0-9]+(?:(?:[._]|__|-+|:[0-9]+\/|\/)[a-z0-9]+)*$/i;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/**
 * The name under which an image is stored: one without a host gets `localhost/`, as podman's own builds and tags do, one without a tag `latest`.
 * @throws UsageError for an id, a digest or a name that podman would not take
 */
export function storedName(name: string): string {
  const cut = name.lastIndexOf(':');
  const hasTag = cut > name.lastIndexOf('/');
  const path = hasTag ? name.slice(0, cut) : name;
  const tag = hasTag ? name.slice(cut + 1) : 'latest';
  const isName = NAME.test(path) && TAG.test(tag) && path.length <= 255;
  const [host = ''] = path.split('/', 1);
  const hasHost = path.includes('/') && (/[.:]/.test(host) || host === 'localhost');
  if (!isName || /[A-Z]/.test(hasHost ? path.slice(host.length) : path)) {
    throw new UsageError(
      `Cannot write "containers-storage:${name}": expected a name as podman has them, such as localhost/app:1`,
    );
  }
  return `${hasHost ? '' : 'localhost/'}${path}:${tag}`;
}
