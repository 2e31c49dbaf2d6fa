import { closeFd, serveWorker } from '#host';

/** Closes a descriptor of another thread shortly after saying that it is about to. */
serveWorker<{ readonly fd: number; readonly flag: Int32Array }, never, never, void>(
  ({ fd, flag }) => {
    // Loads the foreign functions, which takes seconds in an emulator.
    closeFd(-1);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    closeFd(fd);
  },
);
