import type { StorageMode } from '#formats/bootc';
import type { Binding } from './state.ts';

/** What is being done to a sysroot: filling a new one, fetching the image it follows again, or following another image. */
export type Operation = 'install' | 'upgrade' | 'switch';

/** What a route is chosen by. */
export interface RouteInput {
  readonly operation: Operation;
  /** True for a host that boots composefs images directly. */
  readonly isNative: boolean;
  readonly binding: Binding;
  /** The stored mode. */
  readonly mode: StorageMode | undefined;
  /** What the user asked for on the command line: images in containers-storage, or commits made from composefs without that. */
  readonly flag: 'unified' | 'bound-only' | undefined;
  /** The mode of the image's install configuration; counts for an install. */
  readonly config: StorageMode | undefined;
  /** `auto`: choose by what the filesystem can do, not by the state alone. */
  readonly choice: 'state' | 'auto';
  readonly canReflink: boolean;
}

/** How an image comes into a sysroot. */
export interface Route {
  /** `composefs`: a commit made from composefs; `classic`: made from the tars of layers; `native`: no commit at all. */
  readonly path: 'composefs' | 'classic' | 'native';
  /** `zero-copy`: files that cannot share extents are an error; `if-possible`: they are copied, and counted. */
  readonly policy: 'zero-copy' | 'if-possible';
  /** True if the image also goes into the containers-storage of bootc. */
  readonly isInStorage: boolean;
  /** The mode to store when all is done; undefined leaves the file alone. */
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
 * Chooses the route of an image. A stored mode is never changed by fetching an image: the policy follows from it.
 * Source: unified-storage notes 1.9.
 */
export function chooseRoute(input: RouteInput): Route {
  if (input.choice === 'auto') return autoRoute(input);
  if (input.isNative) return nativeRoute(input);
  switch (input.operation) {
    case 'install':
      return installRoute(input);
    case 'switch':
      return input.flag === 'unified' ? onboardingRoute(input) : stateRoute(input);
    case 'upgrade':
      return input.flag === 'unified' ? onboardingRoute(input) : stateRoute(input);
  }
}

function installRoute(input: RouteInput): Route {
  const { flag, config } = input;
  if (config === 'enabled' || config === 'enabled-with-copy') return inStorage('composefs', config);
  // The flag wins over a configuration that disables, but then nothing was asked of the filesystem.
  if (flag === 'unified') {
    return inStorage('composefs', config === 'disabled' ? 'enabled-with-copy' : 'enabled');
  }
  return flag === 'bound-only' ? BOUND_ONLY : stateRoute(input);
}

/** Into containers-storage from now on; a mode that is stored already stays. */
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

/** The planned design: three stores where the mode says so, two where the filesystem can share extents, else the classic importer. */
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
