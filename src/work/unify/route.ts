import type { StorageMode } from '#formats/bootc';
import type { Binding } from './state.ts';

/** The operation on a sysroot: install a new one, pull the image that it follows again, or follow another image. */
export type Operation = 'install' | 'upgrade' | 'switch';

/** Input that determines the route. */
export interface RouteInput {
  readonly operation: Operation;
  /** True for a host that boots composefs images directly. */
  readonly isNative: boolean;
  readonly binding: Binding;
  /** The stored mode. */
  readonly mode: StorageMode | undefined;
  /** The flag on the command line: images also in containers-storage, or only commits made from composefs. */
  readonly flag: 'unified' | 'bound-only' | undefined;
  /** The mode of the image's install configuration; used for an install only. */
  readonly config: StorageMode | undefined;
  /** `auto`: choose by the capabilities of the filesystem, not by the state alone. */
  readonly choice: 'state' | 'auto';
  readonly canReflink: boolean;
}

/** The stores that an image is pulled into, and how. */
export interface Route {
  /** `composefs`: a commit made from composefs; `classic`: a commit made from the layer tars; `native`: no commit. */
  readonly path: 'composefs' | 'classic' | 'native';
  /** `zero-copy`: files that cannot share extents are an error; `if-possible`: such files are copied, and counted. */
  readonly policy: 'zero-copy' | 'if-possible';
  /** True if the image also goes into the containers-storage of bootc. */
  readonly isInStorage: boolean;
  /** The mode to store as the last step; undefined leaves the file unchanged. */
  readonly mode: StorageMode | undefined;
}

const CLASSIC: Route = {
  path: 'classic',
  policy: 'if-possible',
  isInStorage: false,
  mode: undefined,
};
const BOUND_ONLY: Route = { ...CLASSIC, path: 'composefs' };

/**
 * Chooses the route of an image. A pull never changes a stored mode: the policy follows from the mode.
 * Source: unified-storage notes 1.9.
 */
export function chooseRoute(input: RouteInput): Route {
  if (input.choice === 'auto') return autoRoute(input);
  if (input.isNative) return nativeRoute(input);
  if (input.operation === 'install') return installRoute(input);
  return input.flag === 'unified' ? onboardingRoute(input) : stateRoute(input);
}

function installRoute(input: RouteInput): Route {
  const { flag, config } = input;
  if (config === 'enabled' || config === 'enabled-with-copy') return inStorage('composefs', config);
  // The flag overrides a configuration that disables, but then the filesystem was not required to share extents.
  if (flag === 'unified') {
    return inStorage('composefs', config === 'disabled' ? 'enabled-with-copy' : 'enabled');
  }
  return flag === 'bound-only' ? BOUND_ONLY : stateRoute(input);
}

/** The image also goes into containers-storage from now on; a mode that is already stored stays. */
function onboardingRoute({ mode, binding }: RouteInput): Route {
  const kept = binding === 'unified' && mode !== undefined ? mode : 'enabled-with-copy';
  return inStorage('composefs', kept);
}

function stateRoute({ binding, mode, flag }: RouteInput): Route {
  if (binding === 'unified') return inStorage('composefs', mode ?? 'enabled-with-copy');
  return binding === 'bound-only' || flag === 'bound-only' ? BOUND_ONLY : CLASSIC;
}

function nativeRoute({ binding, mode, flag }: RouteInput): Route {
  if (binding === 'unified') return inStorage('native', mode ?? 'enabled-with-copy');
  if (flag === 'unified') return inStorage('native', 'enabled-with-copy');
  return { ...CLASSIC, path: 'native' };
}

/** Three stores if the mode asks for them, two if the filesystem can share extents, else the classic importer. */
function autoRoute(input: RouteInput): Route {
  const { isNative, binding, mode, canReflink, flag } = input;
  if (isNative) return nativeRoute(input);
  if (!canReflink) return CLASSIC;
  const wantsStorage = binding === 'unified' || flag === 'unified';
  return wantsStorage
    ? inStorage('composefs', binding === 'unified' ? (mode ?? 'enabled') : 'enabled')
    : BOUND_ONLY;
}

function inStorage(path: Route['path'], mode: StorageMode): Route {
  const policy = mode === 'enabled' ? 'zero-copy' : 'if-possible';
  return { path, policy, isInStorage: true, mode };
}
