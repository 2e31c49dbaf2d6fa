import type { ImageReference } from '#work/export';

/** Words that begin a reference: a name must not look like one. */
const TRANSPORT =
  /^(?:oci|oci-archive|docker-archive|dir|docker|ostree|ostree-local|composefs|containers-storage):/;

/**
 * What an image is called that was pulled without a name: like its source, and so that the name can be used afterwards. The folder or
 * file of a layout, with the tag that was asked for; of a Docker archive the name in it.
 */
export function defaultName(reference: ImageReference): string {
  if (reference.transport === 'docker') {
    const { registry, repository, tag = 'latest', digest } = reference;
    return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
  }
  if ('name' in reference) return reference.name;
  if (!('path' in reference)) return 'image';
  const { transport, path, tag } = reference;
  if (tag !== undefined && (transport === 'docker-archive' || /[/:]/.test(tag))) return tag;
  const file = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
  const stem = file.replace(/\.(?:tar|tar\.\w+|tgz)$/, '');
  const base = /^\.*$/.test(stem) ? 'image' : stem;
  const name = tag === undefined ? base : `${base}:${tag}`;
  return TRANSPORT.test(name) ? base : name;
}
