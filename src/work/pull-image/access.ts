import type { ObjectId } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import { type Repository, requireStreams } from '#stores/composefs';

/** How a pull uses the repository: under its lock all the time, or with a lease and the lock at times. */
export interface PullAccess {
  /** False while other programs may remove what was stored or found. */
  readonly isHeld: boolean;
  /** To be called before anything is stored. @throws HostError SYSCALL_FAILED, NO_SPACE */
  begin(): Promise<void>;
  /** Keeps a stream that has a name, with everything that it needs, from garbage collections of onecopy. */
  readonly keep: (stream: string) => void;
  /** Runs a section under the shared lock. @throws the reason of the signal; what `section` throws */
  locked<T>(section: () => Promise<T>): Promise<T>;
  /** Names a stream, whose objects are on the disk. @throws NotFoundError OBJECT_NOT_FOUND when one was removed; as `StreamStore.register` */
  name(repository: Repository, name: string, id: ObjectId): Promise<void>;
  /** Verifies in a locked section that streams and their objects still exist. @throws NotFoundError OBJECT_NOT_FOUND */
  requireStreams(ids: Iterable<ObjectId>): Promise<void>;
}

/** Access under the lock, which the caller holds. */
export const HELD: PullAccess = {
  isHeld: true,
  async begin() {},
  keep: () => {},
  locked: (section) => section(),
  async name({ streams }, name, id) {
    streams.register(name, id);
  },
  async requireStreams() {},
};

/** Runs a pull under the lock, or with a lease. @throws as `Repository.leased`; what `work` throws */
export async function withAccess<T>(
  repository: Repository,
  options: OperationOptions & { readonly isLeased: boolean },
  work: (access: PullAccess) => Promise<T>,
): Promise<T> {
  if (!options.isLeased) return await repository.holding(options, () => work(HELD));
  const requireAll = (ids: Iterable<ObjectId>) => requireStreams(repository, ids, options);
  return await repository.leased(options, ({ begin, keep, locked }) =>
    work({
      isHeld: false,
      begin,
      keep,
      locked,
      requireStreams: requireAll,
      name: (_, name, id) =>
        locked(async () => {
          await requireAll([id]);
          keep(name);
          repository.streams.register(name, id);
        }),
    }),
  );
}
