import type { OstreeChecksum } from '#base/digest';
import type { FilezWarning } from '#formats/ostree';
import type {
  FirstAttempt,
  OstreeRemote,
  RemoteFile,
  ShortFileReceiver,
  ShortFiles,
} from '#remotes/ostree';
import type { OstreeRepo } from '#stores/ostree';
import { encodeRecord, type ObjectRecord } from '../gather/records.ts';
import { Arrivals } from './arrivals.ts';
import type { FileTools } from './file-tools.ts';
import {
  type Absorbed,
  absorbFilez,
  absorbLocal,
  absorbLocalFilez,
  absorbStream,
  type StoredFile,
  storeAbsorbed,
  WHOLE_MAX_BYTES,
} from './file-work.ts';

/** Where file objects come from, in the thread that takes them. */
export type FileOrigin =
  | { readonly kind: 'local'; readonly repo: OstreeRepo }
  | { readonly kind: 'remote'; readonly remote: OstreeRemote };

/** What became of some files: each that was asked for is in exactly one of the lists. */
export interface FetchedFiles {
  /** Verified and stored. */
  readonly stored: readonly StoredFile[];
  readonly missing: readonly OstreeChecksum[];
  readonly failures: readonly { readonly checksum: OstreeChecksum; readonly error: unknown }[];
  /** What is odd about those that were stored. */
  readonly warnings: readonly FilezWarning[];
}

/** How a fetcher works. */
export interface FileFetcherOptions {
  readonly tools: FileTools;
  readonly origin: FileOrigin;
  readonly signal: AbortSignal;
  /** True in the middle of blocking work when nothing more is wanted; the signal cannot change then. */
  readonly isCancelled?: () => boolean;
  /** Told in this thread, a few files at a time. */
  readonly onFetched: (files: FetchedFiles) => void;
}

/** Files that are stored and told of together: one write of the journal, one message. */
const BATCH_FILES_MAX = 64;
/** A batch this small waits a few turns of the event loop for company, unless nothing more comes. */
const SMALL_BATCH_FILES = 24;
const SMALL_BATCH_TURNS = 3;
/** Answers that are looked at between two turns of the event loop, which send the next requests. */
const ABSORB_AT_ONCE = 8;
/** Local files between two turns of the event loop. */
const LOCAL_AT_ONCE = 32;

/**
 * Takes file objects from where they are, verifies and stores them, all in one thread: what the network brings is hashed and written
 * where it arrived, so nothing is handed over but checksums and records.
 */
export class FileFetcher implements ShortFileReceiver {
  readonly #options: FileFetcherOptions;
  readonly #waiting: OstreeChecksum[] = [];
  #waitingAt = 0;
  #running = 0;
  #isReading = false;
  #short: ShortFiles | 'unknown' | 'asked' | undefined = 'unknown';
  #isScheduled = false;
  #isFinished = false;
  #turns = 0;
  readonly #arrivals = new Arrivals();
  #held: Absorbed[] = [];
  #heldBytes = 0;
  #stored: StoredFile[] = [];
  #missing: OstreeChecksum[] = [];
  #failures: { checksum: OstreeChecksum; error: unknown }[] = [];

  constructor(options: FileFetcherOptions) {
    this.#options = options;
  }

  /** Files that were asked for and have not arrived. */
  get ahead(): number {
    return this.#waiting.length - this.#waitingAt + this.#running;
  }

  add(checksums: readonly OstreeChecksum[]): void {
    this.#waiting.push(...checksums);
    const { origin } = this.#options;
    if (origin.kind === 'remote') this.#startFetches(origin.remote);
    else if (!this.#isReading) void this.#readAll(origin.repo);
  }

  /** Connects before there is anything to fetch: each connection takes a round trip. */
  connectAhead(): void {
    const { origin } = this.#options;
    if (origin.kind !== 'remote') return;
    this.#short = 'asked';
    void this.#openShort(origin.remote).then((short) => short?.connectAhead());
  }

  /**
   * Stores what is verified, after the signal has aborted: another pull will find it. Nobody is told, and nothing is touched any more: the
   * journal may be closed, and its descriptor another file's.
   */
  finish(): void {
    this.#store();
    this.#isFinished = true;
  }

  #next(): OstreeChecksum | undefined {
    const { signal, isCancelled } = this.#options;
    if (signal.aborted || isCancelled?.() === true) return undefined;
    const next = this.#waiting[this.#waitingAt];
    if (next === undefined) return undefined;
    this.#waitingAt++;
    if (this.#waitingAt === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#waitingAt = 0;
    }
    return next;
  }

  #startFetches(remote: OstreeRemote): void {
    if (this.#short === 'unknown') {
      this.#short = 'asked';
      void this.#openShort(remote);
    }
    if (this.#short === 'asked') return;
    while (this.#running < remote.maxInFlight) {
      const checksum = this.#next();
      if (checksum === undefined) return;
      this.#running++;
      if (this.#short?.isBest === true) this.#short.fetch(checksum, this);
      else void this.#fetch(remote, checksum, undefined);
    }
  }

  async #openShort(remote: OstreeRemote): Promise<ShortFiles | undefined> {
    // Whatever is wrong shows again, for each file, on the long way.
    const short = await remote.openShort(this.#options.signal).catch(() => undefined);
    this.#short = short;
    this.#startFetches(remote);
    return short;
  }

  /** Only puts the bytes aside: the next request goes out first, so that the server never waits for the processor. */
  onBytes(checksum: OstreeChecksum, filez: Uint8Array): void {
    const { origin, signal } = this.#options;
    if (origin.kind !== 'remote' || signal.aborted) return;
    const { remote } = origin;
    if (!this.#arrivals.put(checksum, filez)) {
      this.#absorbArrivals(remote, Number.POSITIVE_INFINITY);
      this.#absorb(remote, checksum, filez);
    }
    this.#settle(remote);
  }

  /** Verifies some of the files that have arrived. */
  #absorbArrivals(remote: OstreeRemote, count: number): void {
    for (let left = count; left > 0; left--) {
      const next = this.#arrivals.take();
      if (next === undefined) return;
      this.#absorb(remote, next.checksum, next.filez);
    }
  }

  #absorb(remote: OstreeRemote, checksum: OstreeChecksum, filez: Uint8Array): void {
    try {
      const absorbed = absorbFilez(checksum, filez, this.#options.tools);
      if (absorbed !== undefined) this.#hold(absorbed);
      else void this.#takeLarge(remote, checksum, new Uint8Array(filez));
    } catch (error) {
      this.#refuse(remote, checksum, error);
    }
  }

  /** A small `.filez` of a large content. */
  async #takeLarge(remote: OstreeRemote, checksum: OstreeChecksum, filez: Uint8Array) {
    this.#running++;
    try {
      this.#hold(await takeStream(checksum, once(filez), this.#options.tools));
    } catch (error) {
      this.#refuse(remote, checksum, error);
    }
    this.#settle(remote);
  }

  /** Another copy may be better. */
  #refuse(remote: OstreeRemote, checksum: OstreeChecksum, error: unknown): void {
    this.#running++;
    const first = typeof this.#short === 'object' ? this.#short.refused(error) : undefined;
    void this.#fetch(remote, checksum, first);
  }

  onBegun(checksum: OstreeChecksum, first: FirstAttempt): void {
    const { origin } = this.#options;
    if (origin.kind === 'remote') void this.#fetch(origin.remote, checksum, first);
  }

  async #fetch(
    remote: OstreeRemote,
    checksum: OstreeChecksum,
    first: FirstAttempt | undefined,
  ): Promise<void> {
    const { signal } = this.#options;
    try {
      const use = (file: RemoteFile) => this.#take(checksum, file.body);
      const how = { signal, ...(first === undefined ? {} : { first }) };
      const taken = await remote.file<Absorbed | Taken>(checksum, use, how);
      if (taken === undefined) this.#missing.push(checksum);
      else this.#hold(taken);
    } catch (error) {
      this.#failures.push({ checksum, error });
    }
    this.#settle(remote);
  }

  #settle(remote: OstreeRemote): void {
    this.#running--;
    this.#startFetches(remote);
    this.#schedule();
  }

  #take(
    checksum: OstreeChecksum,
    body: Uint8Array | AsyncIterable<Uint8Array>,
  ): Absorbed | Promise<Taken> {
    const { tools } = this.#options;
    if (!(body instanceof Uint8Array)) return takeStream(checksum, body, tools);
    const absorbed = absorbFilez(checksum, body, tools);
    return absorbed ?? takeStream(checksum, once(body), tools);
  }

  async #readAll(repo: OstreeRepo): Promise<void> {
    this.#isReading = true;
    await nextTurn();
    for (let count = 1; ; count++) {
      const checksum = this.#next();
      if (checksum === undefined) break;
      await this.#read(repo, checksum);
      if (count % LOCAL_AT_ONCE !== 0) continue;
      this.#deliver();
      await nextTurn();
    }
    this.#isReading = false;
    this.#deliver();
  }

  /** Nothing is awaited for a small file. */
  #read(repo: OstreeRepo, checksum: OstreeChecksum): Promise<void> | undefined {
    const { tools } = this.#options;
    try {
      const absorbed = absorbLocalFilez(repo, checksum, tools);
      if (absorbed === undefined) return this.#readLarge(repo, checksum);
      this.#hold(absorbed);
    } catch (error) {
      this.#failures.push({ checksum, error });
    }
    return undefined;
  }

  async #readLarge(repo: OstreeRepo, checksum: OstreeChecksum): Promise<void> {
    const { tools } = this.#options;
    try {
      using file = repo.openFile(checksum);
      if (file === undefined) this.#missing.push(checksum);
      else this.#hold(takenOf(await absorbLocal(file, tools)));
    } catch (error) {
      this.#failures.push({ checksum, error });
    }
  }

  #hold(taken: Absorbed | Taken): void {
    if (this.#isFinished) return;
    if ('isStored' in taken) {
      this.#stored.push(taken);
      return;
    }
    this.#held.push(taken);
    this.#heldBytes += taken.content.length;
    if (this.#heldBytes > WHOLE_MAX_BYTES) this.#store();
  }

  /** Makes the objects of the files that are held. @throws nothing: a failure is one of each of them */
  #store(): void {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    try {
      this.#stored.push(...storeAbsorbed(held, this.#options.tools));
    } catch (error) {
      for (const { checksum } of held) this.#failures.push({ checksum, error });
    }
  }

  get #ready(): number {
    return this.#held.length + this.#stored.length + this.#missing.length + this.#failures.length;
  }

  /** Works on what has arrived, and waits for what else the next turns of the event loop bring. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#isFinished) return;
      const { origin } = this.#options;
      if (origin.kind === 'remote') this.#absorbArrivals(origin.remote, ABSORB_AT_ONCE);
      const isMore = !this.#arrivals.isEmpty;
      const isSmall = this.#ready < SMALL_BATCH_FILES && this.#running > 0;
      const isWaiting = isMore || (isSmall && this.#turns++ < SMALL_BATCH_TURNS);
      if (!isWaiting || this.#ready >= BATCH_FILES_MAX) this.#deliver();
      if (isWaiting) this.#schedule();
    });
  }

  #deliver(): void {
    this.#turns = 0;
    if (this.#ready === 0) return;
    this.#store();
    const files = {
      stored: this.#stored,
      missing: this.#missing,
      failures: this.#failures,
      warnings: this.#options.tools.takeWarnings(),
    };
    this.#stored = [];
    this.#missing = [];
    this.#failures = [];
    this.#options.onFetched(files);
  }
}

/** A file that was stored while it was read. */
interface Taken extends StoredFile {
  readonly isStored: true;
}

function takenOf(record: ObjectRecord): Taken {
  return { record, encoded: encodeRecord(record), isStored: true };
}

async function takeStream(
  checksum: OstreeChecksum,
  body: AsyncIterable<Uint8Array>,
  tools: FileTools,
): Promise<Taken> {
  return takenOf(await absorbStream(checksum, body, tools));
}

/** Lets the event loop turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
