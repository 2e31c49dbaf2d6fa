import { hasCode } from '#base/errors';
import { formatImageArgument } from '#work/boot';
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
  const id = await storeRootfs(repository, path, { ...shapeOf(setting), name, signal });
  await setting.print(`${repository.algorithm}:${id}`);
}

/** `import-image REFERENCE` */
export async function importImage(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const id = await storeImage(repository, setting.readInput(), setting.given.operand(0));
  await setting.print(`${repository.algorithm}:${id}`);
}

/** `compute-id PATH` */
export async function computeId(setting: Setting): Promise<undefined> {
  const { id } = await encodeTree(setting, shapeOf(setting));
  await setting.print(id);
}

/** `compute-karg PATH` */
export async function computeKarg(setting: Setting): Promise<undefined> {
  const { id, version } = await encodeTree(setting, { ...shapeOf(setting), bootable: true });
  await setting.print(formatImageArgument({ id, requiresVerity: true }, version));
}

/** `create-dumpfile PATH` */
export async function createDumpfile(setting: Setting): Promise<undefined> {
  const algorithm = algorithmOf(setting);
  const tree = await readRootfs(setting.given.operand(0), { algorithm, ...shapeOf(setting) });
  await setting.write(dumpRootfs(tree));
}

async function encodeTree(setting: Setting, shape: ReturnType<typeof shapeOf>) {
  const algorithm = algorithmOf(setting);
  const version = setting.erofsVersion ?? 1;
  const tree = await readRootfs(setting.given.operand(0), { algorithm, ...shape });
  return { version, ...encodeRootfs(tree, { version, algorithm }) };
}

function shapeOf({ given }: Setting) {
  const xattrs = given.value('xattrs');
  return {
    canonical: !given.has('no-propagate-usr-to-root'),
    bootable: given.has('bootable'),
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
