import { hasCode, UnsupportedError } from '#base/errors';
import { readRepositoryAlgorithm } from '#work/repository';
import {
  dumpRootfs,
  encodeRootfs,
  parseXattrMode,
  readRootfs,
  storeImage,
  storeRootfs,
} from '#work/rootfs';
import type { Setting } from '../setting.ts';

/** `create-image PATH [IMAGE_NAME]` */
export async function createImage(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given, signal } = setting;
  const [path = '', name] = given.operands;
  const id = storeRootfs(repository, path, { ...shapeOf(setting), name, signal });
  await setting.print(`${repository.algorithm}:${id}`);
}

/** `import-image REFERENCE` */
export async function importImage(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const pieces: Uint8Array[] = [];
  for await (const piece of setting.readInput()) pieces.push(piece);
  const id = storeImage(repository, Buffer.concat(pieces), setting.given.operand(0));
  await setting.print(`${repository.algorithm}:${id}`);
}

/** `compute-id PATH` */
export async function computeId(setting: Setting): Promise<undefined> {
  const { id } = encodeTree(setting);
  await setting.print(id);
}

/** `compute-karg PATH` */
export async function computeKarg(setting: Setting): Promise<undefined> {
  throw new UnsupportedError('IMAGE_NOT_BUILDABLE', 'Cannot build a bootable image yet', {
    image: setting.given.operand(0),
    configType: '',
  });
}

/** `create-dumpfile PATH` */
export async function createDumpfile(setting: Setting): Promise<undefined> {
  const algorithm = algorithmOf(setting);
  const tree = readRootfs(setting.given.operand(0), { algorithm, ...shapeOf(setting) });
  await setting.write(dumpRootfs(tree));
}

function encodeTree(setting: Setting) {
  const algorithm = algorithmOf(setting);
  const tree = readRootfs(setting.given.operand(0), { algorithm, ...shapeOf(setting) });
  return encodeRootfs(tree, { version: setting.erofsVersion ?? 1, algorithm });
}

function shapeOf({ given }: Setting) {
  if (given.has('bootable')) {
    throw new UnsupportedError('IMAGE_NOT_BUILDABLE', 'Cannot build a bootable image yet', {
      image: given.operand(0),
      configType: '',
    });
  }
  const xattrs = given.value('xattrs');
  return {
    canonical: !given.has('no-propagate-usr-to-root'),
    xattrs: xattrs === undefined ? undefined : parseXattrMode(xattrs),
  };
}

/** `--hash`, else that of the repository where there is one, else the default. No repository is opened. */
function algorithmOf(setting: Setting): 'sha256' | 'sha512' {
  if (setting.algorithm !== undefined) return setting.algorithm;
  if (setting.globals.has('no-repo')) return 'sha512';
  try {
    return readRepositoryAlgorithm(setting.repositoryPath) ?? 'sha512';
  } catch (error) {
    if (hasCode(error, 'REPO_NOT_FOUND') || hasCode(error, 'HOME_UNSET')) return 'sha512';
    throw error;
  }
}
