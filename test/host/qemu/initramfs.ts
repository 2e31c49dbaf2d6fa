import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Types of an inode in a cpio header. */
const DIRECTORY = 0o040755;
const FILE = 0o100755;
const SYMLINK = 0o120777;

/**
 * Collects the initial file system of a guest as a "newc" cpio archive: a header of ASCII hex fields, the name with its NUL, the
 * content; name and content padded to 4 bytes. Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 */
export class Initramfs {
  readonly #pieces: Uint8Array[] = [];
  readonly #known = new Set<string>();
  #inode = 1;

  /** Adds a file and the folders above it; an existing path is kept. */
  addFile(path: string, content: Uint8Array): void {
    this.#add(path, FILE, content);
  }

  /** Adds an empty folder and the folders above it. */
  addFolder(path: string): void {
    this.#add(path, DIRECTORY, new Uint8Array(0));
  }

  /** Adds a file, folder or symbolic link of this machine, with everything below it. */
  addTree(from: string, to: string): void {
    const stat = lstatSync(from);
    if (stat.isSymbolicLink()) this.#add(to, SYMLINK, Buffer.from(readlinkSync(from)));
    else if (stat.isFile()) this.addFile(to, readFileSync(from));
    else if (stat.isDirectory()) {
      this.addFolder(to);
      for (const name of readdirSync(from)) this.addTree(join(from, name), join(to, name));
    }
  }

  #add(path: string, mode: number, content: Uint8Array): void {
    if (this.#known.has(path)) return;
    const slash = path.lastIndexOf('/');
    if (slash > 0) this.addFolder(path.slice(0, slash));
    this.#known.add(path);
    this.#put(path.slice(1), mode, content);
  }

  #put(name: string, mode: number, content: Uint8Array): void {
    const title = Buffer.from(`${name}\0`);
    const fields = [this.#inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, title.length, 0];
    this.#inode += 1;
    const hex = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
    const header = Buffer.concat([Buffer.from(`070701${hex}`), title]);
    this.#pieces.push(header, padding(header.length), content, padding(content.length));
  }

  /** The archive in pieces, with its trailer. */
  finish(): readonly Uint8Array[] {
    this.#put('TRAILER!!!', 0, new Uint8Array(0));
    return this.#pieces;
  }
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
