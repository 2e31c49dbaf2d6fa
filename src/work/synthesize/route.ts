import { hasCode } from '#base/errors';
import { Dir, probeReflinkBetween } from '#host';
import type { Repository } from '#stores/composefs';

/** Routes from the layers of an image to a commit. */
export const COMMIT_ROUTES = ['synthesis', 'classic'] as const;
/** One of {@link COMMIT_ROUTES}. */
export type CommitRoute = (typeof COMMIT_ROUTES)[number];
/** A route, or `auto`: the synthesis if files can share extents with their objects, otherwise the classic route. */
export const ROUTE_CHOICES = ['auto', ...COMMIT_ROUTES] as const;
/** One of {@link ROUTE_CHOICES}. */
export type RouteChoice = (typeof ROUTE_CHOICES)[number];

/** Chooses the route into the OSTree repository at `path`, which need not exist. @throws HostError */
export function chooseRoute(
  choice: RouteChoice,
  repository: Repository,
  path: string,
): CommitRoute {
  if (choice !== 'auto') return choice;
  using target = openNearest(path);
  return probeReflinkBetween(repository.root, target) ? 'synthesis' : 'classic';
}

/** Opens the directory, or the nearest existing parent in which it will be created. */
function openNearest(path: string): Dir {
  try {
    return Dir.open(path);
  } catch (error) {
    const parent = path.replace(/\/+[^/]*\/*$/, '');
    if (!hasCode(error, 'SYSCALL_FAILED') || parent === path) throw error;
    return Dir.open(parent === '' ? '/' : parent);
  }
}
