import {
  mergeStorage,
  orderDropIns,
  parseStorageFile,
  parseStorageOptions,
  planStorageSearch,
  type StorageFile,
  type StoragePlaces,
} from '#formats/containers-config';
import type { ContainersReference } from '#formats/oci';
import { ConfigRoot, configNotFound, hostEnvironment } from '#work/registries';

/**
 * Where the store of a reference lies: what the reference says stands before the environment, that before `storage.conf` and its drop-ins,
 * those before the defaults of root or of this user. A reference with a graph root of its own takes nothing from the files.
 * @throws NotFoundError CONFIG_NOT_FOUND; FormatError CONFIG_INVALID; HostError
 */
export async function locateStore(
  reference: Pick<ContainersReference, 'driver' | 'graphRoot' | 'runRoot' | 'options'>,
): Promise<StoragePlaces> {
  const { driver, graphRoot, runRoot, options = '' } = reference;
  if (graphRoot === undefined) return await configuredPlaces();
  return { driver, graphRoot, runRoot, ...parseStorageOptions(options) };
}

async function configuredPlaces(): Promise<StoragePlaces> {
  const env = hostEnvironment();
  const search = planStorageSearch(env);
  using root = ConfigRoot.open(process.cwd());
  const files: { readonly file: StorageFile; readonly isOfUser: boolean }[] = [];
  const add = async (path: string, mustExist: boolean) => {
    const file = root.tryReadFile(path);
    if (file === undefined && mustExist) throw configNotFound(path);
    if (file === undefined) return false;
    const isOfUser = mustExist || !/^\/(?:etc|usr)\//.test(path);
    files.push({ file: await parseStorageFile(file), isOfUser });
    return true;
  };
  for (const path of search.main) if (await add(path, search.mainMustExist)) break;
  const folders = search.dropInFolders.map((folder) => {
    return { folder, names: root.tryListNames(folder) ?? [] };
  });
  for (const path of orderDropIns(folders, '.conf')) await add(path, false);
  if (search.override !== undefined) await add(search.override, true);
  return mergeStorage(env, files);
}
