import type { ObjectId } from '#base/digest';
import type { Reading } from '#formats/tree';
import type { SplitContent, TarEntry } from './entry.ts';
import { type MachineSink, TarMachine } from './machine.ts';

/**
 * Receives the parts of a tar. Every `bytes` is a view into the piece being pushed: use or copy it before returning. All
 * `inline` and `externalData` bytes, in order, are the tar, byte for byte; adjacent inline bytes arrive in as few calls as the
 * pieces allow. `entry` is called in the order of the tar, but possibly before the inline bytes of its header.
 */
export interface TarSink {
  /** Inline bytes of the stream: headers, small payloads, padding, everything after the end. */
  inline(bytes: Uint8Array): void;
  /** An external payload of `entry.sizeBytes` bytes begins. */
  externalStart(entry: TarEntry): void;
  externalData(bytes: Uint8Array): void;
  /** The external payload is complete. */
  externalEnd(): void;
  /**
   * Called when the payload of an entry (not its padding) is complete; for an external payload right after `externalEnd`. Inline
   * bytes are a copy. The entry is not checked: a consumer that builds a tree calls `checkTarEntry`.
   */
  entry?(entry: TarEntry, content: SplitContent): void;
}

/**
 * Splits a tar into inline bytes and external payloads as composefs-rs does, for any division of the input into pieces:
 * payloads of regular files over 64 bytes are external; headers, extension headers, padding, other payloads and everything
 * after the end are inline. In the reading `cfsctl` the split equals that of cfsctl for every tar that cfsctl accepts.
 * Sans-I/O; memory is one block and one extension payload (at most 1 MiB). A malformed tar throws; the splitter cannot be used
 * after an error. Source: composefs-rs 0.9 tar import (oci spec section 3.2).
 */
export class TarSplitter {
  readonly #machine: TarMachine;

  constructor(reading: Reading = 'standard') {
    this.#machine = new TarMachine('whole', reading);
  }

  /** Parses the next bytes of the tar, in pieces of any size. @throws FormatError TAR_* */
  push(piece: Uint8Array, sink: TarSink): void {
    this.#machine.push(piece, new SplitSink(sink));
  }

  /**
   * Accepts an object in place of the external payload that has begun, before any byte of it is pushed; returns its entry.
   * @throws FormatError TAR_CONTENT_FORM
   */
  placeObject(id: ObjectId): TarEntry {
    return this.#machine.pushExternal(id);
  }

  /** Ends the tar. @throws FormatError TAR_TRUNCATED, TAR_EXTENSION_ORPHANED */
  end(): void {
    this.#machine.end();
  }
}

/** Translates the events of the machine into the calls of a TarSink. */
class SplitSink implements MachineSink {
  readonly #sink: TarSink;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  inline(bytes: Uint8Array): void {
    this.#sink.inline(bytes);
  }

  externalStart(entry: TarEntry): void {
    this.#sink.externalStart(entry);
  }

  externalData(bytes: Uint8Array): void {
    this.#sink.externalData(bytes);
  }

  externalEnd(): void {
    this.#sink.externalEnd();
  }

  entry(entry: TarEntry, bytes: Uint8Array | undefined): void {
    if (bytes !== undefined) this.#sink.entry?.(entry, { kind: 'inline', bytes });
    else this.#sink.entry?.(entry, { kind: 'external', sizeBytes: entry.sizeBytes });
  }
}
