import { addressOf, type Signatures, tryOpenLibrary } from '../ffi/ffi.ts';

/**
 * CRC-64 by ISA-L (Debian: libisal2), with the carry-less multiplication of the processor: some ten times as fast as tables in JavaScript.
 * Callers need a fallback for hosts without it.
 */
const LIBRARY_NAMES = ['libisal.so.2'];

interface Isal {
  /** CRC-64 of ISO 3309, reflected, both ends inverted. Source: ISA-L 2.30, crc64.h. */
  crc64_iso_refl(seed: bigint, bytes: number, length: number): bigint | number;
}

const SIGNATURES: Signatures<Isal> = {
  crc64_iso_refl: ['uint64_t', 'uint64_t', 'uintptr_t', 'uint64_t'],
};

/** CRC-64/ISO of `123456789`. Source: catalogue of CRC algorithms, CRC-64/GO-ISO. */
const CHECK = { text: '123456789', crc: 0xb90956c775a41001n } as const;

/** An incremental CRC-64/ISO. */
export class NativeCrc64Iso {
  readonly #library: Isal;
  #crc = 0n;

  constructor(library: Isal) {
    this.#library = library;
  }

  /** Adds the next bytes. */
  update(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const address = addressOf(bytes.buffer) + bytes.byteOffset;
    this.#crc = BigInt(this.#library.crc64_iso_refl(this.#crc, address, bytes.length));
  }

  /** Returns the checksum of all bytes so far: 8 bytes, big-endian. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, this.#crc);
    return bytes;
  }
}

let library: Isal | 'untried' | undefined = 'untried';

/** A new checksum; undefined if the host lacks the library, or if the library fails a known checksum (once per thread). */
export function tryOpenCrc64Iso(): NativeCrc64Iso | undefined {
  if (library === 'untried') {
    library = tryOpenLibrary<Isal>(LIBRARY_NAMES, SIGNATURES);
    if (library !== undefined && !passesSelfTest(library)) library = undefined;
  }
  return library === undefined ? undefined : new NativeCrc64Iso(library);
}

/** True when the known checksum is right, at once and in pieces. */
function passesSelfTest(candidate: Isal): boolean {
  const text = Buffer.from(CHECK.text);
  return [text.length, 1, 4].every((first) => {
    const crc = new NativeCrc64Iso(candidate);
    crc.update(text.subarray(0, first));
    crc.update(text.subarray(first));
    return Buffer.from(crc.finish()).readBigUInt64BE() === CHECK.crc;
  });
}
