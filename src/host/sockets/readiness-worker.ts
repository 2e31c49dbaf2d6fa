import { ERRNO, failSyscall } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { serveWorker } from '../threads/worker.ts';
import { EPOLL_EVENT } from './layout.ts';

/** What the thread needs: the epoll descriptor that the other thread adds to. An event with the token 0 ends the thread. */
export interface ReadinessData {
  readonly epollFd: number;
}

/** One event of the kernel. */
export interface ReadinessEvent {
  readonly token: number;
  readonly events: number;
}

const EVENTS_MAX = 128;

serveWorker<ReadinessData, never, readonly ReadinessEvent[], void>(({ epollFd }, context) => {
  const { address, view } = slab();
  for (;;) {
    const count = sys.epoll_wait(epollFd, address + SLAB.value, EVENTS_MAX, -1);
    if (count < 0) {
      if (lastErrno() === ERRNO.EINTR) continue;
      failSyscall('epoll_wait', 'readiness of descriptors');
    }
    const events: ReadinessEvent[] = [];
    for (let index = 0; index < count; index += 1) {
      const at = SLAB.value + index * EPOLL_EVENT.size;
      events.push({
        events: view.getUint32(at, true),
        token: view.getUint32(at + EPOLL_EVENT.data, true),
      });
    }
    if (events.some(({ token }) => token === 0)) return;
    context.post(events);
  }
});
