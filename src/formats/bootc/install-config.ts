import { FormatError } from '#base/errors';
import { STORAGE_MODES, type StorageMode } from './state-file.ts';

/** One install configuration. */
export interface InstallFile {
  /** Its path for messages. */
  readonly path: string;
  readonly text: string;
}

/**
 * Folders of an image with install configurations, in ascending order of precedence. A file replaces a file of the same name in an
 * earlier folder; then files apply in the order of their names. Source: bootc, install configuration; unified-storage notes 4.7.
 */
export const SOURCES_OF_INSTALL = ['usr/lib', 'usr/local/lib', 'etc', 'run'].map(
  (folder) => `${folder}/bootc/install`,
);

/**
 * The mode in the last install configuration with `[install.storage] unified`; undefined when none has it.
 * @param files in the order in which they apply
 * @throws FormatError INSTALL_CONFIG_INVALID for a file that is not TOML, another value, or another key below `[install.storage]`
 */
export async function readInstallMode(
  files: readonly InstallFile[],
): Promise<StorageMode | undefined> {
  let mode: StorageMode | undefined;
  for (const file of files) mode = (await modeIn(file)) ?? mode;
  return mode;
}

async function modeIn({ path, text }: InstallFile): Promise<StorageMode | undefined> {
  const { parse, TomlError } = await import('smol-toml');
  let document: Readonly<Record<string, unknown>>;
  try {
    document = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    throw invalid(path, 'TOML', `${cause.message.split('\n', 1)[0]} in line ${cause.line}`);
  }
  const storage = tableIn(tableIn(document, 'install', path), 'storage', path);
  if (storage === undefined) return undefined;
  const [other] = Object.keys(storage).filter((key) => key !== 'unified');
  if (other !== undefined) throw invalid(path, 'unified in [install.storage]', `"${other}"`);
  const { unified } = storage;
  if (unified === undefined) return undefined;
  const mode = STORAGE_MODES.find((one) => one === unified);
  if (mode !== undefined) return mode;
  throw invalid(path, `unified = ${STORAGE_MODES.join(' or ')}`, JSON.stringify(unified));
}

function tableIn(
  table: Readonly<Record<string, unknown>> | undefined,
  key: string,
  path: string,
): Readonly<Record<string, unknown>> | undefined {
  const value = table?.[key];
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw invalid(path, `a table ${key}`, JSON.stringify(value));
}

function invalid(path: string, expected: string, found: string): FormatError {
  return new FormatError(
    'INSTALL_CONFIG_INVALID',
    `Cannot read install configuration "${path}": expected ${expected}, found ${found.slice(0, 200)}`,
    { offset: 0, what: path, expected, found: found.slice(0, 200) },
  );
}
