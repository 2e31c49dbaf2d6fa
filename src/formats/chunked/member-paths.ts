import { TAR_TYPE_FLAG, type TarMemberHeader } from '#formats/tar';
import { show } from './toc.ts';
import { failToc, UnusableToc } from './verdict.ts';

/** Most names of directories that only paths imply, in bytes: one long path implies the square of its length. */
const IMPLIED_BYTES_MAX = 16 * 2 ** 20;
/** Paths without empty components and components that begin with a point: most are so as they are. */
const CLEAN = /^[^/.][^/]*(?:\/[^/.][^/]*)*$/;

/**
 * The paths of a layer's members. Rejects paths that readers could resolve differently: a path with `..`, a
 * repeated path, and a path below a member that is not a directory.
 */
export class MemberPaths {
  /** True: a directory, listed or implied by a path below it. */
  readonly #isDirectory = new Map<string, boolean>([['', true]]);
  /** Directories with a member of their own. */
  readonly #written = new Set<string>();
  /** The last checked parent: the next member mostly has the same. */
  #lastParent = '';
  #impliedBytes = 0;

  /** @throws FormatError CHUNKED_TOC_INVALID */
  add(header: TarMemberHeader): void {
    const path = cleanPath(header.name);
    if (header.typeFlag === TAR_TYPE_FLAG.hardlink) cleanPath(header.linkName);
    const isDirectory = header.typeFlag === TAR_TYPE_FLAG.directory;
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? '' : path.slice(0, slash);
    if (parent !== this.#lastParent) this.#addParents(parent, header.name);
    this.#lastParent = parent;
    const known = this.#isDirectory.get(path);
    if (known === false) failToc(show(header.name), 'expected a path once, found it twice');
    if (known === true && !isDirectory) {
      failToc(show(header.name), 'expected a directory, because others are below it');
    }
    if (isDirectory && this.#written.has(path)) {
      failToc(show(header.name), 'expected a path once, found it twice');
    }
    if (isDirectory) this.#written.add(path);
    this.#isDirectory.set(path, isDirectory);
  }

  #addParents(parent: string, name: string): void {
    for (let path = parent; path !== ''; path = path.slice(0, Math.max(path.lastIndexOf('/'), 0))) {
      const known = this.#isDirectory.get(path);
      if (known === true) return;
      if (known === false) {
        failToc(show(name), `expected a directory above it, found ${show(path)} of another type`);
      }
      this.#impliedBytes += path.length;
      if (this.#impliedBytes > IMPLIED_BYTES_MAX) {
        const limit = `${IMPLIED_BYTES_MAX} bytes`;
        throw new UnusableToc(
          'too-large',
          `directories without a member have more than ${limit} of names`,
        );
      }
      this.#isDirectory.set(path, true);
    }
  }
}

/** A path without empty and `.` components and without slashes at its ends. */
function cleanPath(name: string): string {
  if (CLEAN.test(name)) return name;
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) failToc(show(name), 'expected no ".." component, found one');
  return parts.join('/');
}
