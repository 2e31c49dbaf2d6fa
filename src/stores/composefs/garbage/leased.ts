import type { ByteString } from '#base/bytes';
import { ALGORITHMS } from '#formats/fsverity';
import { readObjectLink } from '../names/links.ts';
import { ObjectSet } from '../objects/object-set.ts';
import type { Repository } from '../repository/repository.ts';
import type { Garbage } from './gc-sweep.ts';
import type { Marker } from './reach.ts';

/**
 * Marks what the leases of running pulls keep: objects, and streams that still have a name, with everything that they reach.
 * @returns the number of leases
 * @throws as `Marker`
 */
export async function markLeased(
  { leases, root, algorithm }: Repository,
  marker: Marker,
): Promise<number> {
  const streams = new Set<ByteString>();
  const count = leases.visit(ALGORITHMS[algorithm].digestBytes, {
    streams(names) {
      for (const name of names) if (!name.includes('/')) streams.add(name);
    },
    objects: (digests) => marker.live.addDigests(digests),
  });
  for (const name of streams) {
    const { kind } = readObjectLink(root, `streams/${name}`, algorithm);
    if (kind === 'object') await marker.markEntry('streams', name);
  }
  return count;
}

/**
 * Removes from the garbage what running pulls have stored or reused since the marking. Call it right before the removal. (A pull that reuses an
 * object later finds it missing, and stores it again.)
 */
export function spareLeased<T extends Garbage>({ leases, algorithm }: Repository, plan: T): T {
  const { digestBytes } = ALGORITHMS[algorithm];
  const counted = new ObjectSet(digestBytes);
  const count = leases.visit(digestBytes, {
    streams() {},
    objects: (digests) => counted.addDigests(digests),
  });
  if (count === 0 || plan.garbage.size === 0) return plan;
  const all = [...plan.garbage.ids()].map((id, index) => ({ id, inode: plan.inodes[index] ?? 0 }));
  const left = all.filter(({ id }) => !counted.has(id));
  const garbage = plan.garbage.of(left.map(({ id }) => id));
  return { ...plan, garbage, inodes: left.map(({ inode }) => inode) };
}
