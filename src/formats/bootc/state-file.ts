import { FormatError, UnsupportedError } from '#base/errors';

/** Whether images are also kept for podman, and whether their files may be copied where extents cannot be shared. Source: bootc, bootc.json. */
export const STORAGE_MODES = ['disabled', 'enabled', 'enabled-with-copy'] as const;
export type StorageMode = (typeof STORAGE_MODES)[number];

/** The only version. Source: bootc, bootc.json. */
const VERSION = 1;
/** Largest state file, in bytes. Our limit: bootc writes about fifty. */
export const STATE_FILE_BYTES_MAX = 64 * 1024;

/**
 * Reads the mode of `bootc.json`; unknown members are ignored.
 * @throws FormatError BOOTC_STATE_INVALID; UnsupportedError BOOTC_STATE_VERSION
 */
export function parseStateFile(bytes: Uint8Array, what = 'bootc.json'): StorageMode {
  const value = parseJson(bytes, what);
  const { version, unified = 'disabled' } = value;
  if (typeof version !== 'number') throw invalid(what, 'a number as version', version);
  if (version !== VERSION) {
    throw new UnsupportedError(
      'BOOTC_STATE_VERSION',
      `Cannot read "${what}": expected version ${VERSION}, found ${version}`,
      { expected: VERSION, found: version },
      { hint: 'A newer bootc has written it: use a newer onecopy' },
    );
  }
  const mode = STORAGE_MODES.find((one) => one === unified);
  if (mode === undefined) throw invalid(what, STORAGE_MODES.join(' or '), unified);
  return mode;
}

/** The bytes that bootc writes: indentation of two spaces, and no newline at the end. */
export function encodeStateFile(mode: StorageMode): Uint8Array {
  return Buffer.from(JSON.stringify({ version: VERSION, unified: mode }, null, 2));
}

function parseJson(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid(what, 'a JSON object', Buffer.from(bytes).toString('utf8'));
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw invalid(what, 'a JSON object', value);
}

function invalid(what: string, expected: string, value: unknown): FormatError {
  const found = (JSON.stringify(value) ?? 'nothing').slice(0, 100);
  return new FormatError(
    'BOOTC_STATE_INVALID',
    `Cannot read "${what}": expected ${expected}, found ${found}`,
    { offset: 0, what, expected, found },
    { hint: 'Set the mode again with: onecopy unified enable' },
  );
}
