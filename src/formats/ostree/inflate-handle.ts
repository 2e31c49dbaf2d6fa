import { createInflateRaw, inflateRawSync, constants as zlib } from 'node:zlib';

/*
 * Inflating thousands of small files. Node's one-shot call makes a stream object and a zlib state for each, which costs as much as the
 * file itself. This file alone reaches behind a stream object to keep one, only after a known answer came out right; without it the
 * one-shot call is used.
 */

/** The parts of a zlib stream object of Node that this file drives. */
interface StreamInside {
  readonly _handle: {
    reset(): void;
    writeSync(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
    ): void;
    onerror: (message: string, errno: number, code: string) => void;
  };
  /** Bytes of output and of input left after a call. */
  readonly _writeState: Uint32Array;
}

type InflateInto = (payload: Uint8Array, output: Uint8Array) => number;

/** A truncated deflate stream is not fatal when all bytes came out (OSTree spec 2.4): flush, never demand the end. */
export const TOLERANT = { finishFlush: zlib.Z_SYNC_FLUSH };

let chosen: InflateInto | undefined;

/**
 * Inflates a raw deflate stream into `output`; returns how many bytes came, all that there is room for at most. Bytes behind the stream
 * and a missing end are ignored.
 * @throws Error of zlib
 */
export function inflateInto(payload: Uint8Array, output: Uint8Array): number {
  chosen ??= openHandle() ?? inflateOnce;
  return chosen(payload, output);
}

function openHandle(): InflateInto | undefined {
  try {
    const inflate = handleInflater();
    return isRight(inflate) ? inflate : undefined;
  } catch {
    return undefined; // Not the Node this file was written for.
  }
}

function handleInflater(): InflateInto {
  const { _handle, _writeState } = createInflateRaw() as unknown as StreamInside;
  let failure: string | undefined;
  _handle.onerror = (message) => {
    failure = message;
  };
  return (payload, output) => {
    failure = undefined;
    _handle.reset();
    const { length } = output;
    _handle.writeSync(zlib.Z_SYNC_FLUSH, payload, 0, payload.length, output, 0, length);
    if (failure !== undefined) throw new Error(failure);
    return length - (_writeState[0] ?? 0);
  };
}

function inflateOnce(payload: Uint8Array, output: Uint8Array): number {
  const maxOutputLength = output.length;
  try {
    const content = inflateRawSync(payload, { ...TOLERANT, maxOutputLength });
    output.set(content);
    return content.length;
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') return output.length;
    throw error;
  }
}

/** Raw deflate of `hello`, and a block of a type that does not exist. */
const PROBE = Buffer.from('cb48cdc9c90700', 'hex');
const PROBE_DAMAGED = Buffer.from('ffffff', 'hex');

/** Whole, without room for the end, damaged, and whole again. */
function isRight(inflate: InflateInto): boolean {
  const output = Buffer.alloc(8);
  if (inflate(PROBE, output) !== 5 || output.toString('latin1', 0, 5) !== 'hello') return false;
  if (inflate(PROBE, output.subarray(0, 3)) !== 3) return false;
  try {
    inflate(PROBE_DAMAGED, output);
    return false;
  } catch {
    return inflate(PROBE, output) === 5;
  }
}
