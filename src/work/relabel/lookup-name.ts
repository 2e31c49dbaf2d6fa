import type { ByteString } from '#base/bytes';

/** A directory of a sysroot, and the path by which labels below it are looked up. The first match counts. */
const PLACES: readonly (readonly [RegExp, string])[] = [
  [/^\/(?:ostree|composefs)\/bootc\/storage(?=\/|$)/, '/var/lib/containers/storage'],
  [/^\/ostree\/deploy\/[^/]+\/var(?=\/|$)/, '/var'],
  [/^\/state\/os\/[^/]+\/var(?=\/|$)/, '/var'],
  [/^\/(?:ostree|composefs)(?=\/|$)/, '/usr'],
];

/**
 * The name by which the label of a path of a sysroot is looked up: the path of the file on a booted host. Stores of the system are labelled as
 * `/usr`. Source: unified-storage notes 4.8.
 */
export function lookupNameOf(path: string): ByteString {
  for (const [place, name] of PLACES) {
    if (place.test(path)) return path.replace(place, name) as ByteString;
  }
  return path as ByteString;
}
