import { TRANSPORT_PREFIX } from '#work/catalog';
import type { ImageReference } from '#work/export';

/**
 * Name of an image that is pulled without a name: derived from its source, and always a valid name. It is the directory or file of a
 * layout, with the requested tag; for a Docker archive, the name in the archive.
 */
export function defaultName(reference: ImageReference): string {
  if (reference.transport === 'docker') {
    const { registry, repository, tag = 'latest', digest } = reference;
    return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
  }
  if (reference.transport === 'containers-storage') return reference.name.replace(/^@/, '');
  if ('name' in reference) return reference.name;
  if (!('path' in reference)) return 'image';
  const { transport, path, tag } = reference;
  if (tag !== undefined && (transport === 'docker-archive' || /[/:]/.test(tag))) return tag;
  const file = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
  const stem = file.replace(/\.(?:tar|tar\.\w+|tgz)$/, '');
  const base = /^\.*$/.test(stem) ? 'image' : stem;
  const name = tag === undefined ? base : `${base}:${tag}`;
  return TRANSPORT_PREFIX.test(name) ? base : name;
}
