import { type ConfigEnvironment, ownAndCommon, userFolder, variable } from '../search-order.ts';

/** Search paths of `storage.conf`. */
export interface StorageSearch {
  /** Only the first existing file is read. */
  readonly main: readonly string[];
  /** The user named the main file, so it must exist. */
  readonly mainMustExist: boolean;
  /** Folders of `*.conf`, strongest first: of files with the same name, only the strongest counts. */
  readonly dropInFolders: readonly string[];
  /** An additional file that overrides all others; it must exist. */
  readonly override: string | undefined;
}

/** Source: containers-storage.conf(5) and containers/storage 1.65, types/options.go. */
export function planStorageSearch(env: ConfigEnvironment): StorageSearch {
  const named = variable(env, 'CONTAINERS_STORAGE_CONF');
  const user = userFolder(env);
  const system = ['/etc/containers', '/usr/share/containers'];
  const folders = env.uid === 0 ? system : [user, ...system];
  const dropIns = folders.flatMap((folder) =>
    folder === user
      ? [`${folder}/storage.conf.d`]
      : ownAndCommon(env, folder, 'storage', '.conf.d'),
  );
  return {
    main: named === undefined ? folders.map((folder) => `${folder}/storage.conf`) : [named],
    mainMustExist: named !== undefined,
    dropInFolders: named === undefined ? dropIns : [],
    override: variable(env, 'CONTAINERS_STORAGE_CONF_OVERRIDE'),
  };
}

/** The default folders of a store. Source: containers-storage.conf(5). */
export function defaultStoragePaths(env: ConfigEnvironment): {
  readonly graphRoot: string;
  readonly runRoot: string;
} {
  if (env.uid === 0) {
    return { graphRoot: '/var/lib/containers/storage', runRoot: '/run/containers/storage' };
  }
  const data = variable(env, 'XDG_DATA_HOME') ?? `${env.home}/.local/share`;
  const runtime = variable(env, 'XDG_RUNTIME_DIR') ?? `/run/user/${env.uid}`;
  return { graphRoot: `${data}/containers/storage`, runRoot: `${runtime}/containers` };
}
