import { type ByteString, byteStringFromText, concatBytes, displayText } from '#base/bytes';
import { hasCode } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import {
  type InstallFile,
  readInstallMode,
  SOURCES_OF_INSTALL,
  type StorageMode,
} from '#formats/bootc';
import type { Repository } from '#stores/composefs';
import type { ImageView } from '#work/browse';
import { openNamedView } from '#work/catalog';

/** Largest install configuration, in bytes. Our limit. */
const CONFIG_BYTES_MAX = 1 << 20;

/**
 * The mode that the install configuration of a stored image asks for; undefined when it has none.
 * @throws FormatError INSTALL_CONFIG_INVALID; as `openNamedView` and reading it
 */
export async function installModeOf(
  repository: Repository,
  image: Parameters<typeof openNamedView>[1],
  options: OperationOptions = {},
): Promise<StorageMode | undefined> {
  using view = await openNamedView(repository, image, options);
  const files = new Map<ByteString, InstallFile | undefined>();
  for (const folder of SOURCES_OF_INSTALL) {
    for (const { path, name } of configsIn(view, folder)) {
      files.set(name, readConfig(view, path));
    }
  }
  const inOrder = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  return await readInstallMode(inOrder.flatMap(([, file]) => (file === undefined ? [] : [file])));
}

function configsIn(view: ImageView, folder: string) {
  const path = byteStringFromText(folder);
  try {
    if (view.stat(path, { follow: true }).kind !== 'directory') return [];
    return view
      .list(path)
      .map(({ path: found }) => ({
        path: found,
        name: found.slice(found.lastIndexOf('/') + 1) as ByteString,
      }))
      .filter(({ name }) => name.endsWith('.toml'));
  } catch (error) {
    if (hasCode(error, 'TREE_PATH_NOT_FOUND') || hasCode(error, 'TREE_NOT_A_DIRECTORY')) return [];
    throw error;
  }
}

/** Reads a configuration; undefined for an entry that only masks a file of the same name, such as a link to /dev/null. */
function readConfig(view: ImageView, path: ByteString): InstallFile | undefined {
  try {
    const entry = view.stat(path, { follow: true });
    if (entry.kind !== 'file' || entry.sizeBytes > CONFIG_BYTES_MAX) return undefined;
    const pieces = Array.from(view.read(entry), (piece) => Uint8Array.from(piece));
    return { path: displayText(path), text: Buffer.from(concatBytes(pieces)).toString('utf8') };
  } catch (error) {
    if (hasCode(error, 'TREE_PATH_NOT_FOUND')) return undefined;
    throw error;
  }
}
