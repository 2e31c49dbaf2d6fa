import { type ByteString, byteStringFromText, displayText } from '#base/bytes';
import { type OstreeChecksum, parseOstreeChecksum } from '#base/digest';
import { ConflictError, isOnecopyError } from '#base/errors';
import {
  encodeRefFile,
  isRefName,
  parseRefFile,
  REF_FILE_MAX_BYTES,
  requireRefName,
} from '#formats/ostree';
import { type Dir, fsync, fsyncParent, hasErrno, OPEN, randomName, writeAll } from '#host';
import { DIRECTORY_MODE, OBJECT_MODE } from './layout.ts';
import { readRegular } from './regular.ts';

/** Where a ref lives. */
export type RefSpace =
  | { readonly kind: 'heads' }
  | { readonly kind: 'remote'; readonly remote: string }
  | { readonly kind: 'mirror'; readonly collection: string };

/** One ref. */
export interface OstreeRef {
  readonly space: RefSpace;
  readonly name: string;
  readonly checksum: OstreeChecksum;
  /** Target of the symbolic link when the ref is an alias, as stored. */
  readonly alias: string | undefined;
}

/** A ref file that cannot be read. */
export interface BrokenRef {
  readonly path: string;
  readonly error: unknown;
}

/** Smallest number of hex digits of an abbreviated commit id: a shorter one could be a mistyped ref (OSTree spec 2.8). */
const PREFIX_MIN_DIGITS = 4;
const HEADS: RefSpace = { kind: 'heads' };

/** The refs of a repository: files below `refs/` that hold a checksum. */
export class OstreeRefs {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /** The commit of a ref; undefined if the ref does not exist. @throws FormatError OSTREE_REF_INVALID */
  read(name: string, space: RefSpace = HEADS): OstreeChecksum | undefined {
    return this.#readPath(pathOf(space, name));
  }

  /** All refs, sorted by namespace and name. Other files are reported, not thrown. */
  list(onBroken?: (broken: BrokenRef) => void): OstreeRef[] {
    const found: OstreeRef[] = [];
    for (const { space, path } of this.#spaces()) {
      for (const name of this.#names(path, '')) {
        const full = `${path}/${name}`;
        try {
          const bytes = byteStringFromText(full);
          const checksum = this.#readPath(bytes);
          if (checksum !== undefined) {
            found.push({ space, name, checksum, alias: this.#aliasOf(bytes) });
          }
        } catch (error) {
          if (!isOnecopyError(error)) throw error;
          onBroken?.({ path: full, error });
        }
      }
    }
    return found;
  }

  /**
   * Resolves `name` for a pull from this repository: 64 hex digits, a ref with its namespace (`remotes/R/x`, `heads/x`), or a head. Never
   * an abbreviation.
   */
  resolveForPull(name: string): OstreeChecksum | undefined {
    if (/^[0-9a-f]{64}$/.test(name)) return parseOstreeChecksum(name);
    requireRefName(name);
    return this.#readPath(byteStringFromText(`refs/${name}`)) ?? this.read(name);
  }

  /**
   * Resolves a name from a command line: as `resolveForPull`, then `REMOTE:REF`, a ref that only one remote has, and an abbreviated commit
   * id.
   * @throws ConflictError OSTREE_REF_AMBIGUOUS
   */
  resolve(name: string): OstreeChecksum | undefined {
    const remote = /^([^:/]+):(.+)$/.exec(name);
    if (remote !== null) {
      const [, of = '', ref = ''] = remote;
      return this.read(ref, { kind: 'remote', remote: of });
    }
    if (isRefName(name) || /^[0-9a-f]{64}$/.test(name)) {
      const found = this.resolveForPull(name) ?? this.#inAnyRemote(name);
      if (found !== undefined) return found;
    }
    return this.#byPrefix(name);
  }

  /** Sets a ref atomically. `durable` syncs file and directory. */
  write(name: string, checksum: OstreeChecksum, space: RefSpace = HEADS, durable = true): void {
    const path = pathOf(space, name);
    const slash = path.lastIndexOf('/');
    const temporary = `${path.slice(0, slash)}/.onecopy-${randomName()}` as ByteString;
    try {
      this.#mkdirs(path.slice(0, slash));
      const flags = OPEN.write | OPEN.create | OPEN.exclusive;
      {
        using file = this.#root.openFile(temporary, flags, OBJECT_MODE);
        writeAll(file, encodeRefFile(checksum));
        if (durable) fsync(file);
      }
      this.#root.rename(temporary, path);
      if (durable) fsyncParent(this.#root, path);
    } catch (error) {
      this.#discard(temporary);
      const isInTheWay =
        hasErrno(error, 'ENOTDIR') || hasErrno(error, 'EISDIR') || hasErrno(error, 'EEXIST');
      throw isInTheWay ? inTheWay(name, error) : error;
    }
  }

  /** Creates a ref that is an alias of another ref of the same namespace. @throws ConflictError OSTREE_REF_EXISTS */
  writeAlias(name: string, target: string, space: RefSpace = HEADS): void {
    const path = pathOf(space, name);
    requireRefName(target);
    this.#mkdirs(path.slice(0, path.lastIndexOf('/')));
    const up = '../'.repeat(name.split('/').length - 1);
    if (this.#root.symlink(byteStringFromText(up + target), path)) return;
    throw new ConflictError(
      'OSTREE_REF_EXISTS',
      `Cannot create alias "${name}": a ref of this name exists`,
      { name },
    );
  }

  /** Removes a ref and its empty parent directories. @returns false if it did not exist */
  delete(name: string, space: RefSpace = HEADS): boolean {
    const path = pathOf(space, name);
    if (!this.#root.unlink(path)) return false;
    const top = byteStringFromText(rootOf(space)).length;
    for (let at = path.lastIndexOf('/'); at > top; at = path.lastIndexOf('/', at - 1)) {
      try {
        this.#root.rmdir(path.slice(0, at));
      } catch (error) {
        if (!hasErrno(error, 'ENOTEMPTY')) throw error;
        break;
      }
    }
    return true;
  }

  #inAnyRemote(name: string): OstreeChecksum | undefined {
    const found = this.list().filter((ref) => ref.space.kind === 'remote' && ref.name === name);
    if (found.length > 1)
      throw ambiguous(
        name,
        found.map((ref) => ref.checksum),
      );
    return found[0]?.checksum;
  }

  #byPrefix(text: string): OstreeChecksum | undefined {
    if (!/^[0-9a-f]+$/.test(text) || text.length < PREFIX_MIN_DIGITS || text.length > 63) {
      return undefined;
    }
    const found: OstreeChecksum[] = [];
    using dir = this.#root.tryOpenDir(`objects/${text.slice(0, 2)}`);
    for (const { name } of dir?.readEntries() ?? []) {
      const checksum = text.slice(0, 2) + name.slice(0, 62);
      if (name.length === 69 && name.endsWith('.commit') && checksum.startsWith(text)) {
        found.push(parseOstreeChecksum(checksum));
      }
    }
    if (found.length > 1) throw ambiguous(text, found);
    return found[0];
  }

  #readPath(path: ByteString): OstreeChecksum | undefined {
    // A prefix of a longer ref is a directory; a ref below another ref does not exist.
    if (this.#root.stat(path)?.type !== 'file') return undefined;
    const bytes = readRegular(this.#root, path, REF_FILE_MAX_BYTES);
    return bytes === undefined ? undefined : parseRefFile(bytes);
  }

  #aliasOf(path: ByteString): string | undefined {
    if (this.#root.lstat(path)?.type !== 'symlink') return undefined;
    return displayText(this.#root.readlink(path) ?? ('' as ByteString));
  }

  *#spaces(): Generator<{ space: RefSpace; path: string }> {
    yield { space: HEADS, path: 'refs/heads' };
    for (const collection of this.#children('refs/mirrors')) {
      yield { space: { kind: 'mirror', collection }, path: `refs/mirrors/${collection}` };
    }
    for (const remote of this.#children('refs/remotes')) {
      yield { space: { kind: 'remote', remote }, path: `refs/remotes/${remote}` };
    }
  }

  #children(path: string): string[] {
    using dir = this.#root.tryOpenDir(byteStringFromText(path));
    const entries = dir?.readEntries() ?? [];
    return entries
      .filter(({ type }) => type === 'directory')
      .map(({ name }) => displayText(name))
      .sort();
  }

  *#names(path: string, prefix: string): Generator<string> {
    using dir = this.#root.tryOpenDir(byteStringFromText(path), { noFollow: true });
    if (dir === undefined) return;
    for (const { name, type } of dir.readEntries().sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const text = displayText(name);
      if (text.startsWith('.')) continue;
      if (type === 'directory') yield* this.#names(`${path}/${text}`, `${prefix}${text}/`);
      else yield prefix + text;
    }
  }

  #mkdirs(path: ByteString | string): void {
    const parts = path.split('/');
    for (let count = 1; count <= parts.length; count++) {
      this.#root.mkdir(parts.slice(0, count).join('/'), DIRECTORY_MODE);
    }
  }

  #discard(temporary: ByteString): void {
    try {
      this.#root.unlink(temporary);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
    }
  }
}

function rootOf(space: RefSpace): string {
  switch (space.kind) {
    case 'heads':
      return 'refs/heads';
    case 'remote':
      requireRefName(space.remote);
      return `refs/remotes/${space.remote}`;
    case 'mirror':
      requireRefName(space.collection);
      return `refs/mirrors/${space.collection}`;
  }
}

function pathOf(space: RefSpace, name: string): ByteString {
  requireRefName(name);
  return byteStringFromText(`${rootOf(space)}/${name}`);
}

function inTheWay(name: string, cause: unknown): ConflictError {
  return new ConflictError(
    'OSTREE_REF_EXISTS',
    `Cannot write ref "${name}": a ref cannot also be a directory of refs`,
    { name },
    { cause },
  );
}

function ambiguous(name: string, candidates: readonly OstreeChecksum[]): ConflictError {
  return new ConflictError(
    'OSTREE_REF_AMBIGUOUS',
    `Cannot resolve "${name}": it matches ${candidates.length} commits`,
    { name, candidates: candidates.slice(0, 20) },
  );
}
