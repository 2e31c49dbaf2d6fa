import { type ByteString, byteStringFromText, displayText } from '#base/bytes';
import { type ContentDigest, type OstreeChecksum, parseOstreeChecksum } from '#base/digest';
import { parseBoundImage, parseImageOrigin } from '#formats/bootc';
import type { Dir } from '#host';
import { listNativeDeployments } from './native.ts';
import type { Sysroot } from './sysroot.ts';
import { bootEntries, namesIn, readSmall, runningArguments } from './sysroot-files.ts';

/**
 * Role of a deployment: running now, started by the next boot, staged for after the next shutdown, or kept for a rollback.
 * A deployment without a boot entry is staged.
 */
export type DeploymentRole = 'booted' | 'next' | 'staged' | 'rollback';

/** A deployment of a sysroot. */
export interface Deployment {
  readonly stateroot: string;
  /** Undefined on a host that boots composefs images directly. */
  readonly commit: OstreeChecksum | undefined;
  /** fs-verity digest of the EROFS image, and manifest of the image, on a host that boots composefs images directly. */
  readonly imageId: string | undefined;
  readonly manifestDigest: ContentDigest | undefined;
  readonly serial: number;
  /** Image reference of its origin, for example `docker://quay.io/os/base:1`; undefined for a deployment without an image. */
  readonly imageReference: string | undefined;
  /** Images that the deployment needs beside its own, by their podman names. */
  readonly boundImages: readonly string[];
  readonly role: DeploymentRole;
  /** Path below the sysroot. */
  readonly path: string;
}

const DEPLOY = 'ostree/deploy';
/** Boot entries of a sysroot. */
export const ENTRIES = 'boot/loader/entries';
const BOUND_IMAGES = 'usr/lib/bootc/bound-images.d';
const NAME = /^([0-9a-f]{64})\.([0-9]{1,9})$/;

/** Lists the deployments of a sysroot: first those with boot entries, in boot order, then the staged ones. */
export function listDeployments({ root, isNative }: Sysroot): readonly Deployment[] {
  if (isNative) return listNativeDeployments(root);
  const order = bootOrder(root);
  const booted = bootedBy(root, runningArguments(root) ?? '');
  const found: Deployment[] = [];
  for (const stateroot of namesIn(root, DEPLOY)) {
    const folder = `${DEPLOY}/${stateroot}/deploy`;
    for (const name of namesIn(root, folder)) {
      const [, checksum, serial] = NAME.exec(name) ?? [];
      const path = `${folder}/${name}`;
      if (checksum === undefined || root.lstat(bytesOf(path))?.type !== 'directory') continue;
      const origin = readSmall(root, `${path}.origin`);
      found.push({
        stateroot,
        commit: parseOstreeChecksum(checksum),
        imageId: undefined,
        manifestDigest: undefined,
        serial: Number(serial),
        imageReference: origin === undefined ? undefined : parseImageOrigin(origin)?.reference,
        boundImages: boundImagesOf(root, path),
        role: roleOf(path, order, booted),
        path,
      });
    }
  }
  const position = ({ path }: Deployment) =>
    order.includes(path) ? order.indexOf(path) : order.length;
  return found.sort((a, b) => position(a) - position(b));
}

/**
 * True for a deployment that runs, or that will run without a rollback. On a host that boots composefs images directly, every boot entry
 * counts. Source: unified-storage notes 4.6.
 */
export function isLive({ role, commit }: Deployment): boolean {
  return role !== 'rollback' || commit === undefined;
}

function roleOf(
  path: string,
  order: readonly string[],
  booted: string | undefined,
): DeploymentRole {
  if (path === booted) return 'booted';
  const at = order.indexOf(path);
  if (at < 0) return 'staged';
  return at === 0 ? 'next' : 'rollback';
}

/** Paths of the deployments that boot entries name, the default entry first. */
function bootOrder(root: Dir): string[] {
  const entries: { readonly version: number; readonly path: string }[] = [];
  for (const { value } of bootEntries(root, ENTRIES)) {
    const path = bootedBy(root, value('options') ?? '');
    if (path !== undefined) entries.push({ version: Number(value('version') ?? 0), path });
  }
  return entries.sort((a, b) => b.version - a.version).map(({ path }) => path);
}

/** Path of the deployment that kernel arguments name. */
function bootedBy(root: Dir, kernelArguments: string): string | undefined {
  const link = /(?:^|\s)ostree=(\S+)/.exec(kernelArguments)?.[1];
  return link === undefined ? undefined : deploymentAt(root, link);
}

/** Follows `/ostree/boot.1/os/CHECKSUM/0`, a link to `../../../deploy/os/deploy/CHECKSUM.SERIAL`. */
function deploymentAt(root: Dir, link: string): string | undefined {
  const path = link.replace(/^\/+/, '');
  const target = path.startsWith('ostree/boot.') ? root.readlink(bytesOf(path)) : undefined;
  const name = /deploy\/([^/]+)\/deploy\/([0-9a-f]{64}\.[0-9]+)$/.exec(
    target === undefined ? '' : displayText(target),
  );
  return name === null ? undefined : `${DEPLOY}/${name[1]}/deploy/${name[2]}`;
}

function boundImagesOf(root: Dir, deployment: string): string[] {
  const folder = `${deployment}/${BOUND_IMAGES}`;
  const images: string[] = [];
  for (const name of namesIn(root, folder)) {
    const link = root.lstat(bytesOf(`${folder}/${name}`));
    if (link?.type !== 'symlink') continue;
    // Links inside the deployment resolve as if it were the root.
    const target = displayText(root.readlink(bytesOf(`${folder}/${name}`)) ?? ('' as ByteString));
    const path = target.startsWith('/') ? `${deployment}${target}` : `${folder}/${target}`;
    const bytes = readSmall(root, path);
    const image = bytes === undefined ? undefined : parseBoundImage(target, bytes);
    if (image !== undefined) images.push(image);
  }
  return images;
}

function bytesOf(path: string): ByteString {
  return byteStringFromText(path);
}
