import type { ConfigFile } from '../config-file.ts';
import { type ConfigEnvironment, variable } from '../search-order.ts';
import { parseToml } from '../toml-table.ts';
import { defaultStoragePaths } from './storage-search.ts';

/** The locations of stores in one `storage.conf`; unset values are undefined. */
export interface StorageFile {
  readonly driver: string | undefined;
  readonly graphRoot: string | undefined;
  readonly runRoot: string | undefined;
  /** `rootless_storage_path`: the graph root of unprivileged users. */
  readonly rootlessPath: string | undefined;
  /** A separate graph root for images. */
  readonly imageStore: string | undefined;
  /** Additional graph roots, read-only. */
  readonly additionalImageStores: readonly string[] | undefined;
}

/** Locations of a store: absolute paths, which need not exist. */
export interface StoragePlaces {
  /** Undefined: detect the driver. */
  readonly driver: string | undefined;
  readonly graphRoot: string;
  readonly runRoot: string | undefined;
  readonly imageStore: string | undefined;
  readonly additionalImageStores: readonly string[];
}

/** Parses a file. Other keys are ignored. @throws FormatError CONFIG_INVALID. Source: containers-storage.conf(5) */
export async function parseStorageFile(file: ConfigFile): Promise<StorageFile> {
  const storage = (await parseToml(file)).table('storage');
  const options = storage?.table('options');
  const text = (key: string) => storage?.string(key) || undefined;
  return {
    driver: text('driver'),
    graphRoot: text('graphroot'),
    runRoot: text('runroot'),
    rootlessPath: text('rootless_storage_path'),
    imageStore: text('imagestore') ?? (options?.string('imagestore') || undefined),
    additionalImageStores: options?.strings('additionalimagestores'),
  };
}

/**
 * Merges files and environment. `files` are ordered weakest first. A system file sets the graph root of an unprivileged user only by
 * `rootless_storage_path`.
 * @param isOfUser whether a file belongs to the user
 */
export function mergeStorage(
  env: ConfigEnvironment,
  files: readonly { readonly file: StorageFile; readonly isOfUser: boolean }[],
): StoragePlaces {
  const places = { ...defaultStoragePaths(env), driver: undefined as string | undefined };
  let imageStore: string | undefined;
  let additional: readonly string[] = [];
  for (const { file, isOfUser } of files) {
    const isMine = env.uid === 0 || isOfUser;
    const graphRoot = isMine ? file.graphRoot : undefined;
    const rootless = env.uid === 0 ? undefined : file.rootlessPath;
    places.graphRoot = graphRoot ?? rootless ?? places.graphRoot;
    if (isMine) places.runRoot = file.runRoot ?? places.runRoot;
    if (isMine) imageStore = file.imageStore ?? imageStore;
    places.driver = file.driver ?? places.driver;
    additional = file.additionalImageStores ?? additional;
  }
  const options = parseStorageOptions(variable(env, 'STORAGE_OPTS') ?? '');
  const expand = (path: string) => expandVariables(path, env);
  const separate = options.imageStore ?? imageStore;
  return {
    driver: variable(env, 'STORAGE_DRIVER') ?? places.driver,
    graphRoot: expand(places.graphRoot),
    runRoot: expand(places.runRoot),
    imageStore: separate === undefined ? undefined : expand(separate),
    additionalImageStores: [...additional, ...options.additionalImageStores].map(expand),
  };
}

/** Options in the format of `STORAGE_OPTS` and references. */
export interface StorageOptions {
  readonly imageStore: string | undefined;
  readonly additionalImageStores: readonly string[];
}

/**
 * Parses the options for locations of images, from `KEY=VALUE,KEY=VALUE`; a key may start with the driver and a dot, or only a dot. Options about
 * writing and mounting are ignored. Source: containers/storage 1.65, overlay driver, parseOptions.
 */
export function parseStorageOptions(text: string): StorageOptions {
  let imageStore: string | undefined;
  const additionalImageStores: string[] = [];
  for (const option of text.split(',')) {
    const cut = option.indexOf('=');
    const value = option.slice(cut + 1).trim();
    if (cut < 0 || value === '') continue;
    const key = option
      .slice(0, cut)
      .trim()
      .toLowerCase()
      .replace(/^[a-z0-9]*\./, '');
    if (key === 'imagestore') imageStore = value;
    if (key === 'additionalimagestore') additionalImageStores.push(value);
  }
  return { imageStore, additionalImageStores };
}

/** Expands `$HOME`, `$UID` and `$USER` in a path, as in containers-storage.conf(5). */
function expandVariables(path: string, env: ConfigEnvironment): string {
  const values: Readonly<Record<string, string | undefined>> = {
    HOME: env.home,
    UID: String(env.uid),
    USER: env.variables['USER'],
  };
  return path.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    return values[braced ?? bare ?? ''] ?? whole;
  });
}
