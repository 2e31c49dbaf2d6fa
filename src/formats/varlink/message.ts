import { FormatError } from '#base/errors';
import { MESSAGE_END, MESSAGE_VALUES_MAX } from './layout.ts';

/** Parameters of a call, a reply or an error: an object of JSON. */
export type Parameters = Readonly<Record<string, unknown>>;

/** A call: what a client sends. */
export interface Call {
  /** The interface, a dot, and the method. */
  readonly method: string;
  readonly parameters: Parameters;
  /** The client accepts several replies. */
  readonly more: boolean;
  /** The client expects no reply. */
  readonly oneway: boolean;
}

/** A reply: what a service sends. */
export interface Reply {
  readonly parameters: Parameters;
  /** More replies to the same call follow. */
  readonly continues: boolean;
  /** The interface, a dot, and the error; undefined for success. */
  readonly error: string | undefined;
}

const WHAT = 'varlink message';

/** Parses a call, without the byte that ends it. Unknown members are ignored. @throws FormatError VARLINK_MESSAGE_INVALID */
export function parseCall(bytes: Uint8Array): Call {
  const { method, parameters, more, oneway } = parseObject(bytes);
  if (typeof method !== 'string') throw invalid('expected a method, found none');
  return {
    method,
    parameters: parametersOf(parameters),
    more: flag(more, 'more'),
    oneway: flag(oneway, 'oneway'),
  };
}

/** Parses a reply, without the byte that ends it. Unknown members are ignored. @throws FormatError VARLINK_MESSAGE_INVALID */
export function parseReply(bytes: Uint8Array): Reply {
  const { parameters, continues, error } = parseObject(bytes);
  if (error !== undefined && error !== null && typeof error !== 'string') {
    throw invalid('expected the name of an error');
  }
  return {
    parameters: parametersOf(parameters),
    continues: flag(continues, 'continues'),
    error: error ?? undefined,
  };
}

/** Encodes a call with the byte that ends it. Members with default values are omitted. */
export function encodeCall(call: Call): Buffer {
  const { method, parameters, more, oneway } = call;
  return encode({
    method,
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
    ...(more ? { more } : {}),
    ...(oneway ? { oneway } : {}),
  });
}

/** Encodes a reply with the byte that ends it. Undefined parameters are omitted. */
export function encodeReply(parameters: Parameters | undefined, continues: boolean): Buffer {
  return encode({ ...(parameters === undefined ? {} : { parameters }), continues });
}

/** Encodes an error with the byte that ends it. */
export function encodeError(error: string, parameters: Parameters): Buffer {
  return encode({ error, parameters });
}

function encode(message: Parameters): Buffer {
  // JSON escapes a NUL inside a string, so the only NUL is the end.
  return Buffer.from(`${JSON.stringify(message)}\0`);
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  requireFewValues(bytes);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw invalid('expected JSON in UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('expected an object');
  }
  return value as Record<string, unknown>;
}

const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b] as const;

/** Limits the number of values: a short message can hold many, each of which needs far more memory than its bytes. */
function requireFewValues(bytes: Uint8Array): void {
  if (bytes.length <= MESSAGE_VALUES_MAX) return;
  let values = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === COMMA || byte === BRACKET || byte === BRACE) values += 1;
  }
  if (values > MESSAGE_VALUES_MAX) {
    throw invalid(`expected at most ${MESSAGE_VALUES_MAX} values, found ${values}`);
  }
}

function parametersOf(value: unknown): Parameters {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Parameters;
  throw invalid('expected parameters as an object');
}

function flag(value: unknown, name: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === 'boolean') return value;
  throw invalid(`expected true or false for ${name}`);
}

function invalid(reason: string): FormatError {
  return new FormatError('VARLINK_MESSAGE_INVALID', `Cannot read a ${WHAT}: ${reason}`, {
    offset: 0,
    what: WHAT,
  });
}

/** Splits a byte stream into messages. */
export class MessageSplitter {
  readonly #pieces: Uint8Array[] = [];
  #sizeBytes = 0;

  /** Bytes of the incomplete message. */
  get pendingBytes(): number {
    return this.#sizeBytes;
  }

  /** Adds bytes and yields the messages that they complete, without the byte that ends them. */
  *push(piece: Uint8Array): Generator<Uint8Array> {
    let rest = piece;
    for (let at = rest.indexOf(MESSAGE_END); at >= 0; at = rest.indexOf(MESSAGE_END)) {
      const whole = Buffer.concat([...this.#pieces, rest.subarray(0, at)]);
      this.#pieces.length = 0;
      this.#sizeBytes = 0;
      rest = rest.subarray(at + 1);
      yield whole;
    }
    if (rest.length === 0) return;
    this.#pieces.push(rest);
    this.#sizeBytes += rest.length;
  }
}
