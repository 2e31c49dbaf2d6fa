import type { ObjectId } from '#base/digest';
import type { Reading } from '#formats/tree';
import type { StoredTarEntry, TarEntry } from './entry.ts';
import { type MachineSink, TarMachine } from './machine.ts';
import { checkTarEntry } from './path.ts';

/** A part of a stored tar: bytes (a chunk may come in several parts) or an object. The parts of a splitstream have this type. */
export type StoredPart =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly id: ObjectId };

/**
 * Yields the entries of a split tar in order, each checked with `checkTarEntry`. Regular payloads of up to 64 bytes must be
 * inline, larger ones objects; a layer that was split in the other reading may therefore fail. Memory is the entries of one part.
 * @throws FormatError TAR_*
 */
export function* readTarEntries(
  parts: Iterable<StoredPart>,
  reading: Reading = 'standard',
): Generator<StoredTarEntry> {
  const machine = new TarMachine('parts', reading);
  const sink = new EntryQueue();
  for (const part of parts) {
    if (part.kind === 'external') {
      const entry = machine.pushExternal(part.id);
      checkTarEntry(entry);
      yield { entry, content: { kind: 'external', id: part.id, sizeBytes: entry.sizeBytes } };
      continue;
    }
    machine.push(part.bytes, sink);
    yield* sink.take();
  }
  machine.end();
}

/** Queues the entries that one part completed. */
class EntryQueue implements MachineSink {
  #entries: StoredTarEntry[] = [];

  take(): StoredTarEntry[] {
    const entries = this.#entries;
    if (entries.length > 0) this.#entries = [];
    return entries;
  }

  entry(entry: TarEntry, bytes: Uint8Array | undefined): void {
    checkTarEntry(entry);
    if (bytes !== undefined) this.#entries.push({ entry, content: { kind: 'inline', bytes } });
  }

  // The bytes are not needed, and a stored tar has no external payload bytes outside its objects.
  inline(): void {}
  externalStart(): void {}
  externalData(): void {}
  externalEnd(): void {}
}

/** Receives the entries with inline content, checked with `checkTarEntry`. */
export type InlineEntryListener = (entry: TarEntry, content: Uint8Array) => void;

/**
 * Reads a tar whose large payloads are stored elsewhere, such as a tar-split and the files of its layer: all other bytes are pushed;
 * `passExternal` stands for each large payload. The same payloads are external as in the splitter. Sans-I/O.
 */
export class TarReplay {
  readonly #machine: TarMachine;
  readonly #sink: MachineSink;

  constructor(onInline: InlineEntryListener, reading: Reading = 'standard') {
    this.#machine = new TarMachine('parts', reading);
    this.#sink = {
      entry(entry, bytes) {
        checkTarEntry(entry);
        if (bytes !== undefined) onInline(entry, bytes);
      },
      inline() {},
      externalStart() {},
      externalData() {},
      externalEnd() {},
    };
  }

  /** The entry whose external payload comes next; undefined when bytes come next. */
  get awaited(): TarEntry | undefined {
    return this.#machine.awaited;
  }

  /** Parses the next bytes that are not an external payload. @throws FormatError TAR_* */
  push(bytes: Uint8Array): void {
    this.#machine.push(bytes, this.#sink);
  }

  /** Passes the awaited payload; returns its entry, checked. @throws FormatError TAR_* */
  passExternal(): TarEntry {
    const entry = this.#machine.passExternal('a payload');
    checkTarEntry(entry);
    return entry;
  }

  /** Ends the tar. @throws FormatError TAR_TRUNCATED, TAR_EXTENSION_ORPHANED */
  end(): void {
    this.#machine.end();
  }
}
