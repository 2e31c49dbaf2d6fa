import { concatBytes } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { Dir, type HostFile, hasErrno, OPEN, readAll, truncate, tryFlock, writeAll } from '#host';
import type { Repository } from '#stores/composefs';
import { decodeRecords, type ObjectRecord } from './records.ts';

/** Directory of journals among what is ours in a repository; losing it costs only transfers. */
const DIRECTORY = 'resume';
/** Opens a journal; the boot id of the host follows, then records. */
const MAGIC = Buffer.from('onecopy ostree pull 1\n', 'latin1');
/** Text form of a boot id (a UUID), in bytes. */
const BOOT_ID_BYTES = 36;
/** Journals longer than this are not replayed, in bytes: 20 million small objects. */
const JOURNAL_MAX_BYTES = 2 ** 32;
/** How often a file is made in a folder that another process tidies away. */
const OPEN_TRIES = 10;

/** Where a journal lies. */
interface JournalPlace {
  readonly repository: Repository;
  readonly dir: Dir;
  readonly name: string;
  readonly file: HostFile;
}

/**
 * The progress of a pull of one commit, record by record, from which the next pull resumes after a kill.
 * The record of an object is written before the object: what is stored is always known, what is known may have to be looked
 * for. Not synced: after a power loss the end is lost, and objects are read again before they are believed.
 */
export class PullJournal implements Disposable {
  readonly #repository: Repository;
  readonly #dir: Dir;
  readonly #name: string;
  readonly #file: HostFile;
  /** Records of earlier attempts, views into one buffer. */
  readonly records: readonly ObjectRecord[];
  /** True when all records were written since the host was started, so that no written object can have lost its content. */
  readonly isSameBoot: boolean;

  private constructor(
    { repository, dir, name, file }: JournalPlace,
    found: { records: readonly ObjectRecord[]; isSameBoot: boolean },
  ) {
    this.#repository = repository;
    this.#dir = dir;
    this.#name = name;
    this.#file = file;
    this.records = found.records;
    this.isSameBoot = found.isSameBoot;
  }

  /** Opens the journal of a commit. Undefined while another process pulls the same commit: it will not be disturbed. */
  static open(repository: Repository, commit: OstreeChecksum): PullJournal | undefined {
    const name = `ostree-${commit}`;
    const { dir, file } = openFileIn(repository, name);
    try {
      // A pull that has just finished removed the name: this file is then unused, and the next pull creates a new one.
      if (!tryFlock(file, 'exclusive') || dir.stat(name) === undefined) {
        file[Symbol.dispose]();
        dir[Symbol.dispose]();
        return undefined;
      }
      return new PullJournal({ repository, dir, name, file }, replay(file));
    } catch (error) {
      file[Symbol.dispose]();
      dir[Symbol.dispose]();
      throw error;
    }
  }

  /** Descriptor for appending in other threads; each record goes out in one write. */
  get fd(): number {
    return this.#file.fd;
  }

  append(bytes: Uint8Array): void {
    writeAll(this.#file, bytes);
  }

  /** The pull is complete: nothing is left to go on with. */
  remove(): void {
    this.#dir.unlink(this.#name);
    this.#repository.tidyOwn(DIRECTORY);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
    this.#dir[Symbol.dispose]();
  }
}

/** Opens the file of a journal; between its folder and itself another process may tidy the empty folder away. */
function openFileIn(repository: Repository, name: string): { dir: Dir; file: HostFile } {
  for (let attempt = 1; ; attempt += 1) {
    const dir = repository.openOwn(DIRECTORY);
    try {
      return { dir, file: dir.openFile(name, OPEN.readWrite | OPEN.create | OPEN.append, 0o600) };
    } catch (error) {
      dir[Symbol.dispose]();
      if (!hasErrno(error, 'ENOENT') || attempt === OPEN_TRIES) throw error;
    }
  }
}

/** Reads what there is and cuts a torn end off. */
function replay(file: HostFile): { records: readonly ObjectRecord[]; isSameBoot: boolean } {
  const bootId = readBootId();
  const start = concatBytes([MAGIC, Buffer.from(bootId, 'latin1')]);
  const bytes = readAll(file, JOURNAL_MAX_BYTES);
  const records: ObjectRecord[] = [];
  if (bytes.length < start.length || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    truncate(file, 0);
    writeAll(file, start);
    return { records, isSameBoot: true };
  }
  const good = decodeRecords(bytes.subarray(start.length), (record) => records.push(record));
  truncate(file, start.length + good);
  const isSameBoot =
    bytes.toString('latin1', MAGIC.length, MAGIC.length + BOOT_ID_BYTES) === bootId;
  return { records, isSameBoot };
}

/** Without /proc every journal counts as one of another boot. */
function readBootId(): string {
  try {
    using dir = Dir.open('/proc/sys/kernel/random');
    using file = dir.openFile('boot_id');
    return readAll(file, 4096).toString('latin1').slice(0, BOOT_ID_BYTES).padEnd(BOOT_ID_BYTES);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'EACCES')) return '?'.repeat(BOOT_ID_BYTES);
    throw error;
  }
}
