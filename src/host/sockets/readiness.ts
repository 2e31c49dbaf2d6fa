import { failSyscall } from '../ffi/errno.ts';
import { SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';
import { HostFile } from '../files/file.ts';
import { startWorker, type WorkerHandle } from '../threads/worker.ts';
import { EPOLL, EPOLL_EVENT } from './layout.ts';
import type { ReadinessData, ReadinessEvent } from './readiness-worker.ts';

/** What a descriptor must be ready for; `hangup` is the end of both directions, whatever can still be read. */
export type Direction = 'read' | 'write' | 'hangup';

/** Tells when descriptors are ready. Disposing rejects what still waits. */
export interface Readiness extends AsyncDisposable {
  /**
   * Resolves when reading (or writing) would not wait, which an end or an error of the peer counts as. At most one wait for each direction
   * of a descriptor at a time, and the descriptor stays open until it has ended.
   * @throws HostError SYSCALL_FAILED (EPERM for regular files), WORKER_FAILED; the reason of the signal
   */
  wait(file: Descriptor, direction: Direction, signal?: AbortSignal): Promise<void>;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** One watched descriptor. */
interface Watch {
  readonly fd: number;
  readonly waiters: Map<Direction, Waiter>;
}

const MASK: Readonly<Record<Direction, number>> = {
  read: EPOLL.readable,
  write: EPOLL.writable,
  // The kernel always reports an end.
  hangup: 0,
};
const ENDED = EPOLL.failed | EPOLL.hungUp;
const EFD_CLOEXEC = 0x80000;

let current: { readonly poller: Poller; users: number } | undefined;

/**
 * Opens the readiness of this thread. One other thread waits in the kernel for all that this thread waits for; it starts with the first
 * user and ends with the last.
 * @throws HostError SYSCALL_FAILED, WORKER_FAILED
 */
export function openReadiness(): Readiness {
  const shared = current ?? { poller: new Poller(), users: 0 };
  current = shared;
  shared.users += 1;
  const own = new AbortController();
  return {
    wait: (file, direction, signal) =>
      shared.poller.wait(
        file,
        direction,
        signal === undefined ? own.signal : AbortSignal.any([own.signal, signal]),
      ),
    async [Symbol.asyncDispose]() {
      if (own.signal.aborted) return;
      own.abort();
      shared.users -= 1;
      if (shared.users > 0) return;
      current = undefined;
      await shared.poller[Symbol.asyncDispose]();
    },
  };
}

class Poller {
  readonly #epoll: HostFile;
  readonly #wake: HostFile;
  readonly #worker: WorkerHandle<never, void>;
  /** By the number that the kernel gives back with an event; numbers are not used again, so that a late event means nothing else. */
  readonly #watches = new Map<number, Watch>();
  readonly #tokens = new Map<number, number>();
  #next = 1;

  constructor() {
    this.#epoll = file(sys.epoll_create1(EPOLL.cloexec), 'epoll_create1');
    this.#wake = file(sys.eventfd(0, EFD_CLOEXEC), 'eventfd');
    control(this.#epoll, EPOLL.add, this.#wake.fd, EPOLL.readable, 0);
    const data: ReadinessData = { epollFd: this.#epoll.fd };
    this.#worker = startWorker<ReadinessData, never, readonly ReadinessEvent[], void>(
      new URL('./readiness-worker.ts', import.meta.url),
      data,
      {
        name: 'readiness',
        youngHeapMb: 1,
        onMessage: (events) => {
          for (const event of events) this.#report(event);
        },
      },
    );
    this.#worker.done.catch((reason: unknown) => this.#fail(reason));
  }

  wait(descriptor: Descriptor, direction: Direction, signal: AbortSignal): Promise<void> {
    const fd = fdOf(descriptor);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal.aborted) {
      reject(signal.reason);
      return promise;
    }
    const stop = () => this.#cancel(fd, direction, signal.reason);
    const end = () => signal.removeEventListener('abort', stop);
    const waiter: Waiter = {
      resolve: () => {
        end();
        resolve();
      },
      reject: (reason) => {
        end();
        reject(reason);
      },
    };
    try {
      this.#add(fd, direction, waiter, labelOf(descriptor));
      signal.addEventListener('abort', stop, { once: true });
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  #add(fd: number, direction: Direction, waiter: Waiter, label: string): void {
    const known = this.#tokens.get(fd);
    const watch = known === undefined ? undefined : this.#watches.get(known);
    if (known !== undefined && watch !== undefined) {
      if (watch.waiters.has(direction)) throw new TypeError(`${label} is waited for already`);
      watch.waiters.set(direction, waiter);
      this.#arm(EPOLL.change, known, watch);
      return;
    }
    const token = this.#next;
    const fresh: Watch = { fd, waiters: new Map([[direction, waiter]]) };
    this.#arm(EPOLL.add, token, fresh, label);
    this.#next += 1;
    this.#watches.set(token, fresh);
    this.#tokens.set(fd, token);
  }

  #arm(operation: number, token: number, watch: Watch, label?: string): void {
    let mask: number = EPOLL.oneShot;
    for (const direction of watch.waiters.keys()) mask |= MASK[direction];
    control(this.#epoll, operation, watch.fd, mask, token, label);
  }

  #report({ token, events }: ReadinessEvent): void {
    const watch = this.#watches.get(token);
    if (watch === undefined) return;
    for (const [direction, waiter] of [...watch.waiters]) {
      if ((events & (MASK[direction] | ENDED)) === 0) continue;
      watch.waiters.delete(direction);
      waiter.resolve();
    }
    this.#settle(token, watch);
  }

  /** Goes on watching for the other direction, or forgets the descriptor before its owner can close it. */
  #settle(token: number, watch: Watch): void {
    if (watch.waiters.size > 0) {
      this.#arm(EPOLL.change, token, watch);
      return;
    }
    this.#watches.delete(token);
    this.#tokens.delete(watch.fd);
    control(this.#epoll, EPOLL.remove, watch.fd, 0, token);
  }

  #cancel(fd: number, direction: Direction, reason: unknown): void {
    const token = this.#tokens.get(fd);
    const watch = token === undefined ? undefined : this.#watches.get(token);
    const waiter = watch?.waiters.get(direction);
    if (token === undefined || watch === undefined || waiter === undefined) return;
    watch.waiters.delete(direction);
    this.#settle(token, watch);
    waiter.reject(reason);
  }

  #fail(reason: unknown): void {
    for (const watch of this.#watches.values()) {
      for (const waiter of watch.waiters.values()) waiter.reject(reason);
    }
    this.#watches.clear();
    this.#tokens.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    sys.write(this.#wake.fd, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8);
    try {
      await this.#worker.done;
    } finally {
      await this.#worker[Symbol.asyncDispose]();
      this.#wake[Symbol.dispose]();
      this.#epoll[Symbol.dispose]();
    }
  }
}

function file(fd: number, syscall: string): HostFile {
  if (fd < 0) failSyscall(syscall, 'readiness of descriptors');
  return new HostFile(fd, syscall);
}

function control(
  epoll: HostFile,
  operation: number,
  fd: number,
  mask: number,
  token: number,
  label?: string,
): void {
  const { address, view } = slab();
  view.setUint32(SLAB.struct, mask, true);
  view.setUint32(SLAB.struct + EPOLL_EVENT.data, token, true);
  view.setUint32(SLAB.struct + EPOLL_EVENT.data + 4, 0, true);
  if (sys.epoll_ctl(epoll.fd, operation, fd, address + SLAB.struct) !== 0) {
    failSyscall('epoll_ctl', label ?? labelOf(fd));
  }
}
