import type { OstreeChecksum } from '#base/digest';
import { ostreeObjectPath } from '#formats/ostree';
import type { ShortWay } from '#remotes/http';
import { PRIORITY } from './layout.ts';
import type { FirstAttempt, Mirrors } from './mirrors.ts';
import { fileUrl } from './urls.ts';

/** Receives small file objects: one call for each, which may not throw. */
export interface ShortFileReceiver {
  /**
   * The bytes of a `.filez`; nothing is verified. A view, valid only during the call. When they are wrong, `OstreeRemote.file` takes the
   * result of `refused`.
   */
  onBytes(checksum: OstreeChecksum, filez: Uint8Array): void;
  /** It is not small, missing, or failed: `OstreeRemote.file` continues from here. */
  onBegun(checksum: OstreeChecksum, first: FirstAttempt): void;
}

/** File objects of one base by `ShortWay`. */
export class ShortFiles {
  readonly #way: ShortWay;
  readonly #base: URL;
  readonly #mirrors: Mirrors;
  readonly #count: (bodyBytes: number | undefined) => void;
  readonly #start: string;
  readonly #end: string;

  /** @param count called for each request (with undefined), and with the size of each received body */
  constructor(
    way: ShortWay,
    base: URL,
    mirrors: Mirrors,
    count: (bodyBytes: number | undefined) => void,
  ) {
    this.#way = way;
    this.#base = base;
    this.#mirrors = mirrors;
    this.#count = count;
    const folder = fileUrl(base, '');
    this.#start = folder.pathname;
    this.#end = folder.search;
  }

  /** False after a mirror has failed: another one may be better, and `file` selects it. */
  get isBest(): boolean {
    return this.#mirrors.isFlawless;
  }

  /** Opens connections in advance. */
  connectAhead(): void {
    this.#way.connectAhead();
  }

  fetch(checksum: OstreeChecksum, receiver: ShortFileReceiver): void {
    this.#count(undefined);
    const target = this.#start + ostreeObjectPath(checksum, 'file', true) + this.#end;
    this.#way.fetch(target, PRIORITY.file, {
      onBytes: (bytes) => {
        this.#count(bytes.length);
        receiver.onBytes(checksum, bytes);
      },
      onBegun: (begun) => receiver.onBegun(checksum, { base: this.#base, outcome: { begun } }),
    });
  }

  /** The first attempt of a file whose bytes were refused with this error. */
  refused(error: unknown): FirstAttempt {
    return { base: this.#base, outcome: { refused: error } };
  }
}
