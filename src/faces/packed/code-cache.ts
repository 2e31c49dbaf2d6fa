/**
 * Compiled code between runs. Node keeps what it compiled when it loaded a file, which leaves out every function that was first called
 * later, so each run compiles those anew: an eighth of a short pull. A `CodeCache` is written at the end of a run and has them.
 *
 * The file: a line of JSON (`Heading`), then the code of each chunk, each beginning at a multiple of eight bytes. V8 crashes on code
 * that was damaged, so a checksum is over everything after it; and a file that anyone else could have written is not read.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';

/** What tells one text of a chunk from another; V8 itself compares only its length. */
export type Stamp = `${number}-${number}`;

/** Code of one chunk, in the order of the file. */
interface Entry {
  readonly chunk: string;
  readonly stamp: Stamp;
  readonly bytes: number;
}

interface Heading {
  readonly runMs: number;
  readonly entries: readonly Entry[];
}

/** Code of one chunk that a run would keep. */
export interface Kept {
  readonly chunk: string;
  readonly stamp: Stamp;
  readonly code: Uint8Array;
}

/** Checksum and length of the heading, each 32 bits. */
const PREFIX_BYTES = 8;
const ALIGNMENT = 8;
/** No set of chunks comes near it. */
const FILE_BYTES_MAX = 32 * 2 ** 20;
const WRITABLE_BY_OTHERS = 0o022;
/** Files of versions that are gone, and of verbs that nobody uses. */
const KEPT_DAYS = 30;
/** A run that took this many times as long has used functions that are missing. */
const LONGER = 2;

/** The compiled code of some chunks, as an earlier run left it. */
export class CodeCache {
  readonly #path: string;
  readonly #runMs: number;
  readonly #found: ReadonlyMap<string, { readonly stamp: Stamp; readonly code: Uint8Array }>;

  private constructor(path: string, heading: Heading, file: Uint8Array) {
    this.#path = path;
    this.#runMs = heading.runMs;
    const found = new Map<string, { stamp: Stamp; code: Uint8Array }>();
    let at = file.length;
    for (const { chunk, stamp, bytes } of heading.entries.toReversed()) {
      at -= aligned(bytes);
      found.set(chunk, { stamp, code: file.subarray(at, at + bytes) });
    }
    this.#found = found;
  }

  /** Reads a cache; one that is missing, damaged or not ours alone is empty. Never throws. */
  static open(path: string): CodeCache {
    try {
      const file = readTrusted(path);
      const heading = file === undefined ? undefined : headingOf(file);
      if (file !== undefined && heading !== undefined) return new CodeCache(path, heading, file);
    } catch {
      // It is written anew at the end of this run.
    }
    return new CodeCache(path, { runMs: 0, entries: [] }, new Uint8Array());
  }

  /** Code for a chunk whose text has this stamp. */
  find(chunk: string, stamp: Stamp): Uint8Array | undefined {
    const found = this.#found.get(chunk);
    return found?.stamp === stamp ? found.code : undefined;
  }

  /** Whether a run of this length has called functions whose code is not here. */
  isShortOf(runMs: number): boolean {
    return runMs > LONGER * this.#runMs;
  }

  /** Replaces the cache at once. A place that cannot be written is nobody's loss: the next run compiles again. */
  write(runMs: number, kept: readonly Kept[]): void {
    const entries = kept.map(({ chunk, stamp, code }) => ({ chunk, stamp, bytes: code.length }));
    const json = Buffer.from(JSON.stringify({ runMs, entries } satisfies Heading));
    const heading = Buffer.alloc(aligned(PREFIX_BYTES + json.length), ' ');
    heading.writeUInt32LE(heading.length, 4);
    json.copy(heading, PREFIX_BYTES);
    const pieces: Uint8Array[] = [heading];
    for (const { code } of kept)
      pieces.push(code, new Uint8Array(aligned(code.length) - code.length));
    const file = Buffer.concat(pieces);
    file.writeUInt32LE(checksum(file), 0);
    const folder = this.#path.slice(0, this.#path.lastIndexOf('/'));
    const staged = `${this.#path}.${Math.random().toString(36).slice(2)}`;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      removeOld(folder);
    } catch {
      return;
    }
    try {
      writeFileSync(staged, file, { mode: 0o600, flag: 'wx' });
      renameSync(staged, this.#path);
    } catch {
      rmSync(staged, { force: true });
    }
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** The whole of a regular file that only this user can write; undefined for any other. @throws what opening and reading throw */
function readTrusted(path: string): Uint8Array | undefined {
  const descriptor = openSync(
    path,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  try {
    const { size, uid, mode } = fstatSync(descriptor);
    const isOurs = uid === process.geteuid?.() && (mode & WRITABLE_BY_OTHERS) === 0;
    const isFile = (mode & constants.S_IFMT) === constants.S_IFREG;
    if (!isFile || !isOurs || size < PREFIX_BYTES || size > FILE_BYTES_MAX) return undefined;
    const file = new Uint8Array(size);
    return readSync(descriptor, file) === size ? file : undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** The heading of a file whose checksum is right and whose length is what the heading says. */
function headingOf(file: Uint8Array): Heading | undefined {
  if (file.length % ALIGNMENT !== 0) return undefined;
  const [sum, headingBytes = 0] = new Uint32Array(file.buffer, file.byteOffset, 2);
  if (sum !== checksum(file)) return undefined;
  const json = Buffer.from(file.buffer, file.byteOffset, headingBytes).toString(
    'utf8',
    PREFIX_BYTES,
  );
  const heading = JSON.parse(json) as Heading;
  const bytes = heading.entries.reduce((sum, entry) => sum + aligned(entry.bytes), headingBytes);
  return bytes === file.length ? heading : undefined;
}

/** Over all words but the first. Each step can be undone, so one changed word always changes the sum. */
function checksum(file: Uint8Array): number {
  const words = new Int32Array(file.buffer, file.byteOffset, file.length / 4);
  let sum = words.length;
  for (let at = 1; at < words.length; at += 1)
    sum = Math.imul(sum ^ (words[at] as number), 0x9e3779b1);
  return sum >>> 0;
}

function removeOld(folder: string): void {
  const oldest = Date.now() - KEPT_DAYS * 86_400_000;
  for (const name of readdirSync(folder)) {
    const path = `${folder}/${name}`;
    const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? oldest;
    if (written < oldest) rmSync(path, { force: true });
  }
}
