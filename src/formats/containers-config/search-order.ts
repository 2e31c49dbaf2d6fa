/**
 * Locations of the files: lists of absolute paths, computed from user and environment. The reader decides which exist.
 * Sources: the FILES sections of containers-registries.conf(5), containers-policy.json(5), containers-registries.d(5),
 * containers-auth.json(5) and containers-certs.d(5), in the order of container-libs 5.41.
 */

/** Inputs that determine the search paths. */
export interface ConfigEnvironment {
  readonly uid: number;
  /** Home directory of the user, never empty. */
  readonly home: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** One main file, and folders of drop-ins. */
export interface RegistriesSearch {
  /** Only the first existing file is read. */
  readonly main: readonly string[];
  /** The user named the main file, so it must exist. */
  readonly mainMustExist: boolean;
  /** Folders of `*.conf`, strongest first: of files with the same name, only the strongest counts. */
  readonly dropInFolders: readonly string[];
  /** An additional file that overrides all others; it must exist. */
  readonly override: string | undefined;
  /** File in which podman caches learnt aliases; they override all files. */
  readonly aliasCache: string;
}

/** `option` is the value of `--registries-conf`. */
export function planRegistriesSearch(env: ConfigEnvironment, option?: string): RegistriesSearch {
  const named = option ?? variable(env, 'CONTAINERS_REGISTRIES_CONF');
  const isAlone = option === undefined && named !== undefined;
  const [user = '', ...system] = baseFolders(env);
  const inUser = `${user}/registries.conf.d`;
  const dropIns = [
    inUser,
    ...system.flatMap((folder) => ownAndCommon(env, folder, 'registries', '.conf.d')),
  ];
  const root = env.uid === 0;
  return {
    main:
      named === undefined
        ? [user, ...system].map((folder) => `${folder}/registries.conf`)
        : [named],
    mainMustExist: named !== undefined,
    dropInFolders: isAlone ? [] : dropIns,
    override: variable(env, 'CONTAINERS_REGISTRIES_CONF_OVERRIDE'),
    aliasCache: `${root ? '/var/cache' : `${env.home}/.cache`}/containers/short-name-aliases.conf`,
  };
}

/** A policy file: only the first existing file is read. */
export interface PolicySearch {
  readonly candidates: readonly string[];
  /** The user named the file, so it must exist. */
  readonly mustExist: boolean;
}

/** `option` is the value of `--signature-policy`. */
export function planPolicySearch(env: ConfigEnvironment, option?: string): PolicySearch {
  const named = option ?? variable(env, 'CONTAINERS_POLICY_JSON');
  if (named !== undefined) return { candidates: [named], mustExist: true };
  const candidates = baseFolders(env).map((folder) => `${folder}/policy.json`);
  return { candidates, mustExist: false };
}

/** Folders of registries.d, strongest first. `option` is the value of `--registries.d`, which replaces them all. */
export function planAttachmentsSearch(env: ConfigEnvironment, option?: string): readonly string[] {
  if (option !== undefined) return [option];
  const [user = '', ...system] = baseFolders(env);
  return [
    `${user}/registries.d`,
    ...system.flatMap((folder) => ownAndCommon(env, folder, 'registries', '.d')),
  ];
}

/** A credentials file. */
export interface AuthFilePlace {
  readonly path: string;
  /** The old `.dockercfg` consists of the map only. */
  readonly isLegacy: boolean;
}

/** Credentials files, in search order. */
export interface AuthSearch {
  readonly files: readonly AuthFilePlace[];
  /** The file that login and logout write. */
  readonly writeTo: string;
  /** A folder from XDG_RUNTIME_DIR that must exist for the first file to be used; if it is missing, that file is ignored with a warning. */
  readonly runtimeFolder: string | undefined;
}

/** `option` is the value of `--authfile`. */
export function planAuthSearch(env: ConfigEnvironment, option?: string): AuthSearch {
  const only = option ?? variable(env, 'REGISTRY_AUTH_FILE');
  if (only !== undefined) {
    return { files: [{ path: only, isLegacy: false }], writeTo: only, runtimeFolder: undefined };
  }
  const runtimeFolder = variable(env, 'XDG_RUNTIME_DIR');
  const runtime = `${runtimeFolder ?? `/run/containers/${env.uid}`}`;
  const writeTo =
    runtimeFolder === undefined ? `${runtime}/auth.json` : `${runtime}/containers/auth.json`;
  const docker = variable(env, 'DOCKER_CONFIG') ?? `${env.home}/.docker`;
  return {
    files: [
      { path: writeTo, isLegacy: false },
      { path: `${userFolder(env)}/auth.json`, isLegacy: false },
      { path: `${docker}/config.json`, isLegacy: false },
      { path: `${env.home}/.dockercfg`, isLegacy: true },
    ],
    writeTo,
    runtimeFolder,
  };
}

/**
 * Folders with the certificates of a registry; only the first existing folder is read, even if it is empty.
 * @param registry host and port as in the reference, `docker.io` for Docker Hub
 * @param option the value of `--cert-dir`: then the only folder, without a subfolder for the host
 */
export function planCertificatesSearch(
  env: ConfigEnvironment,
  registry: string,
  option?: string,
): readonly string[] {
  const [user = '', ...system] = baseFolders(env);
  const folders = [
    `${user}/certs.d`,
    ...system.flatMap((folder) => ownAndCommon(env, folder, 'certs', '.d')),
    '/etc/docker/certs.d',
  ].map((folder) => `${folder}/${registry}`);
  return option === undefined ? folders : [option];
}

/**
 * Drop-ins to read, weakest first. Of files with the same name, only the file in the strongest folder is read. Sorted by name over all folders.
 * @param folders strongest first, with the names in them
 * @param suffix `.conf` or `.yaml`; other names are ignored
 */
export function orderDropIns(
  folders: readonly { readonly folder: string; readonly names: readonly string[] }[],
  suffix: string,
): readonly string[] {
  const byName = new Map<string, string>();
  for (const { folder, names } of folders) {
    for (const name of names) {
      if (name.endsWith(suffix) && !byName.has(name)) byName.set(name, `${folder}/${name}`);
    }
  }
  const sorted = [...byName].sort(([one], [other]) => (one < other ? -1 : 1));
  return sorted.map(([, path]) => path);
}

/** `containers` folders, strongest first: user, host, distribution. */
function baseFolders(env: ConfigEnvironment): readonly string[] {
  return [userFolder(env), '/etc/containers', '/usr/share/containers'];
}

/** The folder of the user's configuration files. */
export function userFolder(env: ConfigEnvironment): string {
  return `${variable(env, 'XDG_CONFIG_HOME') ?? `${env.home}/.config`}/containers`;
}

/** Folders for root or for this user, before the common folder. */
export function ownAndCommon(
  env: ConfigEnvironment,
  folder: string,
  noun: string,
  suffix: string,
): readonly string[] {
  const own =
    env.uid === 0
      ? [`${noun}.rootful${suffix}`]
      : [`${noun}.rootless${suffix}/${env.uid}`, `${noun}.rootless${suffix}`];
  return [...own, `${noun}${suffix}`].map((name) => `${folder}/${name}`);
}

/** An environment variable; an empty one counts as unset. */
export function variable(env: ConfigEnvironment, name: string): string | undefined {
  const value = env.variables[name];
  return value === '' ? undefined : value;
}
