import { join } from 'node:path';
import { displayText } from '#base/bytes';
import type { ContentDigest, OstreeChecksum } from '#base/digest';
import { objectPath } from '#formats/fsverity';
import { ostreeObjectPath, parseCommit, parseDirtree } from '#formats/ostree';
import { openOstreeRepo } from '#stores/ostree';
import { openOciImage, readLayer } from '#work/image';
import { openStores, type Sysroot, surveyImages } from '#work/unify';

/** A file of an image with more bytes than an image holds inline, in each store. */
export interface ExternalFile {
  readonly name: string;
  readonly composefs: string;
  readonly storage: string;
  readonly ostree: string;
}

/** Paths of the commit's files, as they are in the image. */
function filesOfCommit(path: string, commit: OstreeChecksum): Map<string, string> {
  using repo = openOstreeRepo(path);
  const found = new Map<string, string>();
  const read = (kind: 'commit' | 'dirtree', checksum: OstreeChecksum) => {
    const bytes = repo.readMetadata(kind, checksum);
    if (bytes === undefined) throw new Error(`no ${kind} ${checksum}`);
    return bytes;
  };
  const walk = (tree: OstreeChecksum, prefix: string) => {
    const { files, directories } = parseDirtree(read('dirtree', tree));
    for (const { name, checksum } of files) {
      found.set(`${prefix}${displayText(name)}`, join(path, ostreeObjectPath(checksum, 'file')));
    }
    for (const { name, tree: below } of directories) walk(below, `${prefix}${displayText(name)}/`);
  };
  walk(parseCommit(read('commit', commit)).rootTree, '');
  return new Map([...found].map(([name, file]) => [name.replace(/^usr\/etc\//, 'etc/'), file]));
}

/** The files of an image that are objects of their own in the stores, as the top layer that has them says. */
export async function externalFiles(
  sysroot: Sysroot,
  manifestDigest: ContentDigest,
): Promise<ExternalFile[]> {
  using stores = await openStores(sysroot);
  const image = surveyImages(sysroot, stores).find((one) => one.manifestDigest === manifestDigest);
  const commit = image?.commits[0]?.commit;
  if (stores.composefs === undefined || commit === undefined) throw new Error('no such image');
  const committed = filesOfCommit(sysroot.ostreePath, commit);
  const row = stores.storage?.findByDigest(manifestDigest);
  const chain = row === undefined ? [] : (stores.storage?.chainOf(row) ?? []);
  const found = new Map<string, ExternalFile>();
  const { layers } = openOciImage(stores.composefs, `@${manifestDigest}`);
  for (const [at, { id }] of layers.entries()) {
    for (const { entry, content } of readLayer(stores.composefs, id)) {
      const name = displayText(entry.path).replace(/^\.?\//, '');
      found.delete(name);
      if (content?.kind !== 'external') continue;
      const ostree = committed.get(name);
      if (ostree === undefined) continue;
      found.set(name, {
        name,
        composefs: join(sysroot.composefsPath, 'objects', objectPath(content.id)),
        storage: join(sysroot.storagePath, 'overlay', chain[at]?.record.id ?? '', 'diff', name),
        ostree,
      });
    }
  }
  return [...found.values()];
}
