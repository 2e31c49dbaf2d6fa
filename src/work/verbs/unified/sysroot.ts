import { openSysroot, type Sysroot } from '#work/unify';
import type { VerbContext } from '../verb.ts';

/** The physical root of a host that boots deployments. Source: ostree, sysroot layout. */
const DEFAULT_SYSROOT = '/sysroot';

/** Opens the sysroot of the request. @throws NotFoundError SYSROOT_NOT_FOUND */
export function openSelectedSysroot(context: VerbContext): Sysroot {
  const path = context.sysroot ?? DEFAULT_SYSROOT;
  context.detail(`sysroot ${path}`);
  return openSysroot(path);
}
