import type { OciImage, XattrMode } from '#work/image';
import type { Repository } from '#work/repository';
import { refuseObjectId } from '../oci/values.ts';
import type { Handles } from './handles.ts';

const XATTR_MODES: Readonly<Record<string, XattrMode>> = {
  AllowlistOnly: 'allowlist-only',
  KeepUserXattrs: 'keep-user-xattrs',
};

/** The mode named by a call; undefined without one. */
export function xattrModeOf(value: unknown): XattrMode | undefined {
  return typeof value === 'string' ? XATTR_MODES[value] : undefined;
}

/** Requires that an image has the config stream that a call expects. @throws CallError InternalError */
export function requireVerityId(
  handles: Handles,
  expected: unknown,
  repository: Repository,
  image: OciImage,
): void {
  if (typeof expected !== 'string') return;
  const reason = refuseObjectId(expected, repository.algorithm);
  if (reason !== undefined) {
    throw handles.error('InternalError', { message: `invalid verity: ${reason}` });
  }
  if (image.configStreamId === expected) return;
  const message = `Cannot open the config: expected stream ${expected}, found ${image.configStreamId}`;
  throw handles.error('InternalError', { message });
}
