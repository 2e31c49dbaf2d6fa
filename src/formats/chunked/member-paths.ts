import { TAR_TYPE_FLAG, type TarMemberHeader } from '#formats/tar';
import { show } from './toc.ts';
import { failToc } from './verdict.ts';

/**
 * The paths of a layer's members. Refused are those that readers could take for different places: one with `..`, one that
 * is there twice, and one below something that is no directory of the layer.
 */
export class MemberPaths {
  /** True: a directory, written or implied by a path below it. */
  readonly #isDirectory = new Map<string, boolean>([['', true]]);
  /** Directories that have a member of their own. */
  readonly #written = new Set<string>();
  /** Parents that have been looked at: the last one is nearly always the next one's. */
  #lastParent = '';

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
      this.#isDirectory.set(path, true);
    }
  }
}

/** A path without empty and `.` components and slashes around it. */
function cleanPath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) failToc(show(name), 'expected no ".." component, found one');
  return parts.join('/');
}
