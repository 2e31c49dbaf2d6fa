import { BACKGROUND_FD, Dir, HostFile, serveBackground } from '#host';
import { type SessionOptions, startSession, unmountOnSignals } from './session.ts';

/** Data of the background process of a mount: the image is its first descriptor, the directory of objects its second. */
export interface ServerData extends Omit<SessionOptions, 'image' | 'objects'> {
  /** Absolute path. */
  readonly target: string;
}

await serveBackground<ServerData>(async ({ target, ...options }, ready) => {
  process.title = 'onecopy-fuse';
  const session = await startSession(target, {
    ...options,
    image: new HostFile(BACKGROUND_FD, 'image'),
    objects: [new Dir(BACKGROUND_FD + 1, 'objects')],
  });
  unmountOnSignals(session);
  ready();
  await session.done;
});
