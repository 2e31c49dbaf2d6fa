import { type ByteString, displayText } from '#base/bytes';
import { parseImageOrigin, parseOriginManifest } from '#formats/bootc';
import type { Dir } from '#host';
import type { Deployment, DeploymentRole } from './deployments.ts';
import { bootEntries, namesIn, readSmall, runningArguments } from './sysroot-files.ts';

/** State of deployments of a host that boots composefs images directly, by image id. Source: unified-storage notes 4.12. */
export const NATIVE_STATE = 'state/deploy';
/** Boot entries, on the root filesystem or on the EFI system partition that is mounted there. */
const ENTRIES = ['boot/loader/entries', 'boot/efi/loader/entries', 'efi/loader/entries'];
/** Unified kernel images, whose names have the image id. */
const KERNELS = ['boot/EFI/Linux/bootc', 'boot/efi/EFI/Linux/bootc', 'efi/EFI/Linux/bootc'];
const IMAGE_ID = /^[0-9a-f]{64}(?:[0-9a-f]{64})?$/;

/** Lists the deployments of a host that boots composefs images directly: those with boot entries in boot order, then the others, as staged. */
export function listNativeDeployments(root: Dir): readonly Deployment[] {
  const order = [...new Set([...entryOrder(root), ...kernelOrder(root)])];
  const booted = imageIdIn(runningArguments(root) ?? '');
  const found = namesIn(root, NATIVE_STATE).filter((name) => IMAGE_ID.test(name));
  const ids = [...order, ...found.filter((id) => !order.includes(id))];
  return ids.map((imageId) => {
    const path = `${NATIVE_STATE}/${imageId}`;
    const origin = readSmall(root, `${path}/${imageId}.origin`);
    return {
      stateroot: staterootOf(root, path),
      commit: undefined,
      imageId,
      manifestDigest: origin === undefined ? undefined : parseOriginManifest(origin),
      serial: 0,
      imageReference: origin === undefined ? undefined : parseImageOrigin(origin)?.reference,
      boundImages: [],
      role: roleOf(imageId, order, booted),
      path,
    };
  });
}

function roleOf(id: string, order: readonly string[], booted: string | undefined): DeploymentRole {
  if (id === booted) return 'booted';
  const at = order.indexOf(id);
  return at < 0 ? 'staged' : at === 0 ? 'next' : 'rollback';
}

/** Image ids in the order of sort keys, as systemd-boot sorts entries. */
function entryOrder(root: Dir): string[] {
  const entries = ENTRIES.flatMap((folder) => bootEntries(root, folder));
  const keyOf = ({ value, name }: (typeof entries)[number]) => value('sort-key') ?? name;
  return entries
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    .flatMap(({ value }) => imageIdIn(value('options') ?? '') ?? []);
}

function kernelOrder(root: Dir): string[] {
  const names = KERNELS.flatMap((folder) => namesIn(root, folder));
  return names.flatMap((name) => /^bootc_composefs-([0-9a-f]+)\.efi$/.exec(name)?.[1] ?? []);
}

/** The kernel argument `composefs=`; a question mark before the id means that fs-verity is not required. */
function imageIdIn(kernelArguments: string): string | undefined {
  const id = /(?:^|\s)composefs=\??(\S+)/.exec(kernelArguments)?.[1];
  return id !== undefined && IMAGE_ID.test(id) ? id : undefined;
}

/** Its `var` is a link to `../../os/STATEROOT/var`. */
function staterootOf(root: Dir, path: string): string {
  const name = `${path}/var` as ByteString;
  const target = root.lstat(name)?.type === 'symlink' ? root.readlink(name) : undefined;
  return /(?:^|\/)os\/([^/]+)\/var$/.exec(displayText(target ?? ('' as ByteString)))?.[1] ?? '';
}
