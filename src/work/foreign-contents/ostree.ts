import { setImmediate as immediate } from 'node:timers/promises';
import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { parseCommit, parseDirtree } from '#formats/ostree';
import { type OstreeRepo, openOstreeRepo } from '#stores/ostree';
import { Candidates, type ContentPlace, type ContentSearch } from '#work/contents';
import type { ForeignContents } from './open.ts';
import { placeOfFile } from './place.ts';

/** Maximum number of files, over all refs, that are examined for one layer. */
const FILES_MAX = 2_000_000;
/** Target of a payload link: the object with this content. Source: ostree-repo-commit.c, create_payload_link. */
const PAYLOAD_LINK = /^\.\.\/([0-9a-f]{2})\/([0-9a-f]{62})\.file$/;

/** The files of the refs of an OSTree repository. An archive repository compresses its files and offers nothing. */
export class OstreeContents implements ForeignContents {
  readonly #repo: OstreeRepo;

  private constructor(repo: OstreeRepo) {
    this.#repo = repo;
  }

  /** @throws as `openOstreeRepo` */
  static open(path: string): OstreeContents {
    return new OstreeContents(openOstreeRepo(path));
  }

  async offer(search: ContentSearch): Promise<void> {
    if (this.#repo.mode === 'archive') return;
    this.#offerLinked(search);
    if (search.wanted.missingCount === 0) return;
    const candidates = new Candidates(search);
    const trees = new Set<OstreeChecksum>();
    let count = 0;
    for (const { checksum } of this.#repo.refs.list(() => {})) {
      for (const { path, file } of this.#filesOf(checksum, trees)) {
        count += 1;
        if (count > FILES_MAX) break;
        if (count % 4096 === 0) await immediate(undefined, { signal: search.signal });
        const place = this.#placeOf(file);
        if (place === undefined) continue;
        candidates.add({ path, sizeBytes: place.sizeBytes, place: () => place });
      }
    }
    await candidates.offerContents();
  }

  /** Offers contents that the repository has payload links for, by their digests. */
  #offerLinked({ files, wanted }: ContentSearch): void {
    for (const { digest, sizeBytes } of files) {
      if (!wanted.isMissing(digest, sizeBytes)) continue;
      const hex = digest.slice(digest.indexOf(':') + 1);
      const target = this.#repo.root.readlink(
        `objects/${hex.slice(0, 2)}/${hex.slice(2)}.payload-link`,
      );
      const [, head, rest] = PAYLOAD_LINK.exec(target ?? '') ?? [];
      if (head === undefined) continue;
      const source = this.#placeOf(`${head}${rest}` as OstreeChecksum);
      if (source !== undefined) wanted.offer(digest, sizeBytes, { source, offset: 0 });
    }
  }

  /** The files of a commit, except those of trees already visited. Missing or damaged objects are skipped. */
  *#filesOf(
    commit: OstreeChecksum,
    seen: Set<OstreeChecksum>,
  ): Generator<{ readonly path: string; readonly file: OstreeChecksum }> {
    const bytes = this.#tryRead('commit', commit);
    if (bytes === undefined) return;
    const stack = [{ path: '', tree: parseCommit(bytes).rootTree }];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (seen.has(at.tree)) continue;
      seen.add(at.tree);
      const tree = this.#tryRead('dirtree', at.tree);
      if (tree === undefined) continue;
      const { files, directories } = parseDirtree(tree);
      for (const { name, checksum } of files) yield { path: `${at.path}/${name}`, file: checksum };
      for (const { name, tree: below } of directories) {
        stack.push({ path: `${at.path}/${name}`, tree: below });
      }
    }
  }

  #tryRead(kind: 'commit' | 'dirtree', checksum: OstreeChecksum): Uint8Array | undefined {
    try {
      return this.#repo.readMetadata(kind, checksum);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      return undefined;
    }
  }

  /** A file object whose bytes are the content. */
  #placeOf(checksum: OstreeChecksum): ContentPlace | undefined {
    const { root } = this.#repo;
    const name = `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.file`;
    const stat = root.lstat(name);
    if (stat?.type !== 'file' || stat.sizeBytes === 0) return undefined;
    return placeOfFile(stat.sizeBytes, () => root.tryOpenFile(name));
  }

  [Symbol.dispose](): void {
    this.#repo[Symbol.dispose]();
  }
}
