import type { ObjectId } from '#base/digest';
import type { Reading } from '#formats/tree';
import type { StoredTarEntry, TarEntry } from './entry.ts';
import { type MachineSink, TarMachine } from './machine.ts';
import { checkTarEntry } from './path.ts';

/** A part of a stored tar: bytes (a chunk may come in several parts) or an object. The parts of a splitstream fit as they are. */
export type StoredPart =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly id: ObjectId };

/**
 * The entries of a tar that was split, in order, each checked as `checkTarEntry` does. Regular payloads of up to 64 bytes must
 * be inline, larger ones objects; a layer that was split in the other reading may fail for that. Memory is the entries of one part.
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

/** Holds the entries that one part completed. */
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

  // The bytes themselves are not wanted, and a stored tar has no payload bytes outside its objects.
  inline(): void {}
  externalStart(): void {}
  externalData(): void {}
  externalEnd(): void {}
}
